"""The SQL workload as data: statements, and what each must come to.

Every statement's result is known beforehand, so the same script proves that a
meta service is right and measures how fast it is. A script leaves nothing
behind: it can be repeated, and run by several engines under different prefixes.
"""

# ruff: noqa: S608  the only thing put into a statement is a prefix chosen by our own callers
from collections.abc import Sequence
from typing import NamedTuple


class Statement(NamedTuple):
    """One statement. ``rows``: the exact result, cells joined by ``, `` (None: only success is asked).

    ``error``: a part of the message the engine must refuse it with.
    """

    sql: str
    rows: tuple[str, ...] | None = None
    error: str | None = None


def complaint(statement: Statement, rows: Sequence[str], error: str | None) -> str | None:
    """How an outcome differs from what the statement must come to, as a sentence; None when it does not."""
    if statement.error is not None:
        if error is not None and statement.error in error:
            return None
        return f"{statement.sql!r} had to fail with {statement.error!r}, and came to {error or list(rows)!r}."
    if error is not None:
        return f"{statement.sql!r} failed: {error.strip()}"
    if statement.rows is not None and tuple(rows) != statement.rows:
        return f"{statement.sql!r} had to give {list(statement.rows)!r}, and gave {list(rows)!r}."
    return None


def script(prefix: str) -> tuple[Statement, ...]:
    """The whole workload; all names it makes begin with ``prefix`` (letters, digits, ``_``)."""
    sections = (_tables, _changes, _table_life, _views, _users_and_roles, _stages, _functions, _settings)
    statements = [statement for section in sections for statement in section(prefix)]
    return (Statement(f"create database {prefix}", ()), *statements, *_cleanup(prefix))


def short_script(prefix: str) -> tuple[Statement, ...]:
    """A tenth of it: a database with tables, and what is asked of them, for a measurement that repeats it."""
    return (
        Statement(f"create database {prefix}", ()),
        *_tables(prefix),
        _ok(f"drop table {prefix}.orders"),
        _ok(f"drop table {prefix}.items"),
        _ok(f"drop database {prefix}"),
    )


def _ok(sql: str) -> Statement:
    """A statement that succeeds and returns no rows."""
    return Statement(sql, ())


def _gives(sql: str, *rows: str) -> Statement:
    return Statement(sql, rows)


def _refused(sql: str, error: str) -> Statement:
    return Statement(sql, None, error)


def _tables(p: str) -> list[Statement]:
    return [
        _refused(f"create database {p}", "DatabaseAlreadyExists"),
        _ok(f"create database if not exists {p}"),
        _gives(f"select name from system.databases where name = '{p}'", f"'{p}'"),
        _ok(f"create table {p}.orders (id int, customer varchar, price double)"),
        _ok(f"create table {p}.items (order_id int, name varchar not null, pieces int default 1)"),
        _refused(f"create table {p}.orders (id int)", "TableAlreadyExists"),
        _ok(f"create table if not exists {p}.orders (id int)"),
        _gives(f"show tables from {p}", "'items'", "'orders'"),
        _gives(
            f"desc {p}.items",
            "'order_id', 'INT', 'YES', 'NULL', ''",
            "'name', 'VARCHAR', 'NO', '''', ''",
            "'pieces', 'INT', 'YES', '1', ''",
        ),
        _gives(f"select count(*) from system.tables where database = '{p}'", "2"),
        _gives(f"select count(*) from system.columns where database = '{p}'", "6"),
        _gives(f"select count(*) from {p}.orders", "0"),
        _refused(f"select * from {p}.nowhere", "UnknownTable"),
        _refused(f"select * from {p}_nowhere.orders", "UnknownDatabase"),
    ]


def _changes(p: str) -> list[Statement]:
    """Inserts, and the updates, deletes and merges that take table locks."""
    return [
        _gives(f"insert into {p}.orders values (1, 'ada', 1.5), (2, 'bob', 2.5), (3, null, 0)"),
        _gives(f"insert into {p}.items values (1, 'pen', 3), (2, 'ink', 1)"),
        _gives(f"insert into {p}.items (order_id, name) values (3, 'cap')"),
        _gives(f"select * from {p}.orders order by id", "1, 'ada', 1.5", "2, 'bob', 2.5", "3, NULL, 0"),
        _gives(f"select sum(pieces) from {p}.items", "5"),
        Statement(f"update {p}.orders set price = 9 where id = 2"),
        Statement(f"update {p}.items set pieces = pieces + 1 where name = 'cap'"),
        _gives(f"select price from {p}.orders where id = 2", "9"),
        _gives(f"select pieces from {p}.items where name = 'cap'", "2"),
        Statement(f"delete from {p}.orders where id = 3"),
        _gives(f"select count(*), sum(price) from {p}.orders", "2, 10.5"),
        Statement(f"replace into {p}.orders on (id) values (2, 'bob', 4), (4, 'eve', 7)"),
        _gives(f"select id, price from {p}.orders order by id", "1, 1.5", "2, 4", "4, 7"),
        _gives(
            f"select o.customer, i.name from {p}.orders o join {p}.items i on o.id = i.order_id order by 1",
            "'ada', 'pen'",
            "'bob', 'ink'",
        ),
        _gives("show locks in account where table_id = 0"),
    ]


def _table_life(p: str) -> list[Statement]:
    """What happens to a table besides its rows."""
    return [
        Statement(f"optimize table {p}.orders compact"),
        _ok(f"alter table {p}.orders add column note varchar default 'none'"),
        _gives(f"select id, note from {p}.orders where id = 1", "1, 'none'"),
        _ok(f"alter table {p}.orders rename column note to remark"),
        _ok(f"alter table {p}.orders drop column remark"),
        _ok(f"alter table {p}.items rename to goods"),
        _gives(f"show tables from {p}", "'goods'", "'orders'"),
        _ok(f"create table {p}.copied as select id, price from {p}.orders"),
        _gives(f"select count(*) from {p}.copied", "3"),
        Statement(f"truncate table {p}.copied"),
        _gives(f"select count(*) from {p}.copied", "0"),
        _ok(f"drop table {p}.copied"),
        _refused(f"select * from {p}.copied", "UnknownTable"),
        _ok(f"undrop table {p}.copied"),
        _gives(f"select count(*) from {p}.copied", "0"),
        _ok(f"drop table {p}.copied"),
        _ok(f"alter database {p} rename to {p}_moved"),
        _gives(f"select count(*) from {p}_moved.goods", "3"),
        _ok(f"alter database {p}_moved rename to {p}"),
        Statement(f"show create table {p}.orders"),
        Statement(f"select snapshot_id from fuse_snapshot('{p}', 'orders')"),
    ]


def _views(p: str) -> list[Statement]:
    return [
        _ok(f"create view {p}.cheap as select id, price from {p}.orders where price < 5"),
        _gives(f"select id from {p}.cheap order by id", "1", "2"),
        _ok(f"alter view {p}.cheap as select id, price from {p}.orders where price < 2"),
        _gives(f"select id from {p}.cheap", "1"),
        _refused(f"create view {p}.cheap as select 1", "ViewAlreadyExists"),
        _gives(f"select name from system.views where database = '{p}'", "'cheap'"),
        _ok(f"drop view {p}.cheap"),
        _refused(f"select id from {p}.cheap", "UnknownTable"),
    ]


def _users_and_roles(p: str) -> list[Statement]:
    return [
        _ok(f"create user {p}_ann identified by 'correct horse'"),
        _refused(f"create user {p}_ann identified by 'again'", "UserAlreadyExists"),
        _ok(f"create role {p}_reader"),
        _ok(f"create role {p}_writer"),
        _ok(f"grant select on {p}.* to role {p}_reader"),
        _ok(f"grant insert, update on {p}.orders to role {p}_writer"),
        _ok(f"grant role {p}_reader to role {p}_writer"),
        _ok(f"grant role {p}_writer to {p}_ann"),
        _gives(
            f"select name, auth_type from system.users where name = '{p}_ann'",
            f"'{p}_ann', 'double_sha1_password'",
        ),
        _gives(
            f"select name, inherited_roles from system.roles where name like '{p}\\_%' order by name",
            f"'{p}_reader', 0",
            f"'{p}_writer', 1",
        ),
        Statement(f"show grants for role {p}_reader"),
        Statement(f"show grants for {p}_ann"),
        _ok(f"alter user {p}_ann identified by 'battery staple'"),
        _ok(f"revoke insert on {p}.orders from role {p}_writer"),
        _ok(f"revoke role {p}_writer from {p}_ann"),
        _refused(f"grant role {p}_nobody to {p}_ann", "UnknownRole"),
        _ok(f"drop user {p}_ann"),
        _refused(f"drop user {p}_ann", "UnknownUser"),
        _ok(f"drop role {p}_writer"),
        _ok(f"drop role {p}_reader"),
    ]


def _stages(p: str) -> list[Statement]:
    return [
        _ok(f"create stage {p}_in"),
        _refused(f"create stage {p}_in", "StageAlreadyExists"),
        _gives(f"select name, stage_type from system.stages where name = '{p}_in'", f"'{p}_in', 'Internal'"),
        Statement(f"copy into @{p}_in from {p}.orders file_format = (type = csv)"),
        Statement(f"desc stage {p}_in"),
        _ok(f"create file format {p}_csv type = csv field_delimiter = ';'"),
        _ok(f"drop file format {p}_csv"),
        _ok(f"drop stage {p}_in"),
        _refused(f"drop stage {p}_in", "UnknownStage"),
    ]


def _functions(p: str) -> list[Statement]:
    return [
        _ok(f"create function {p}_double as (x) -> x * 2"),
        _gives(f"select {p}_double(21)", "42"),
        _ok(f"alter function {p}_double as (x) -> x * 2 + 1"),
        _gives(f"select {p}_double(21)", "43"),
        _gives(f"select name from system.user_functions where name like '{p}\\_%'", f"'{p}_double'"),
        _ok(f"drop function {p}_double"),
        _refused(f"select {p}_double(21)", "UnknownFunction"),
        _ok(f"create sequence {p}_ids"),
        _gives(f"select nextval({p}_ids)", "1"),
        _gives(f"select nextval({p}_ids)", "2"),
        _ok(f"drop sequence {p}_ids"),
    ]


def _settings(p: str) -> list[Statement]:
    return [
        _ok("set max_threads = 3"),
        _gives("select value from system.settings where name = 'max_threads'", "'3'"),
        _ok("unset max_threads"),
        _ok("set global max_block_size = 60000"),
        _gives("select value, level from system.settings where name = 'max_block_size'", "'60000', 'GLOBAL'"),
        _ok("set global max_block_size = 65536"),
        _ok(f"create network policy {p}_home allowed_ip_list = ('192.168.1.0/24')"),
        Statement(f"desc network policy {p}_home"),
        _ok(f"drop network policy {p}_home"),
        _gives("select 1", "1"),
        Statement("select name from system.clusters"),
        Statement("select * from system.metrics"),
        Statement("select count(*) from system.processes"),
        Statement("show catalogs"),
    ]


def _cleanup(p: str) -> list[Statement]:
    return [
        _ok(f"drop table {p}.orders"),
        _ok(f"drop table {p}.goods"),
        _gives(f"select count(*) from system.tables where database = '{p}'", "0"),
        _ok(f"drop database {p}"),
        _refused(f"drop database {p}", "UnknownDatabase"),
    ]
