import asyncio
import json
import threading

from diag.profilers.stacks import StackDump, take_stacks


def dump_of(coroutine_count: int) -> StackDump:
    async def leaf(event: asyncio.Event) -> None:
        password = "hunter2"
        await event.wait()
        assert password

    async def middle(event: asyncio.Event) -> None:
        await leaf(event)

    async def main() -> StackDump:
        event = asyncio.Event()
        tasks = [asyncio.create_task(middle(event), name=f"t{n}") for n in range(coroutine_count)]
        await asyncio.sleep(0)
        dump = take_stacks(asyncio.get_running_loop())
        event.set()
        await asyncio.gather(*tasks)
        return dump

    return asyncio.run(main())


def test_without_a_loop_there_are_threads_only() -> None:
    dump = take_stacks(None)
    assert dump.tasks == ()
    assert dump.threads[0].ident == threading.main_thread().ident
    assert dump.threads[0].frames[-1].function == "take_stacks"


def test_a_suspended_task_shows_every_coroutine_it_awaits() -> None:
    dump = dump_of(2)
    [first] = [task for task in dump.tasks if task.name == "t0"]
    functions = [frame.function.rpartition(".")[2] for frame in first.frames]
    assert functions == ["middle", "leaf", "wait"]
    assert first.frames[1].file == "tests/profilers/test_stacks.py"
    assert first.state.startswith("waits for ")


def test_the_task_that_asks_is_running() -> None:
    assert "running" in [task.state for task in dump_of(0).tasks]


def test_text_and_json_say_the_same_and_never_a_value() -> None:
    dump = dump_of(1)
    assert 'Task "t0"' in dump.text()
    assert 'Thread "MainThread"' in dump.text()
    data = json.loads(json.dumps(dump.as_dict()))
    assert len(data["tasks"]) == len(dump.tasks)
    assert "hunter2" not in dump.text() + json.dumps(data)


def test_a_parked_thread_is_named() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="parked", daemon=True)
    thread.start()
    try:
        [parked] = [one for one in take_stacks(None).threads if one.name == "parked"]
        assert parked.native_id == thread.native_id
        assert parked.daemon
    finally:
        over.set()
        thread.join()
