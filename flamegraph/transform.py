"""Profiles from profiles. Every function here is pure: it takes a `Profile` and makes another.

Unit and metadata are kept. Where a frame is left out, weight goes where the docstring says and nowhere else.
Frames without any weight, their own or their callees', are not kept. Patterns are regular expressions found
anywhere in a name; OptionError is raised for one that is malformed or takes too long (see `patterns`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flamegraph import frame, patterns
from flamegraph.errors import OptionError
from flamegraph.profile import ROOT, Profile, TreeBuilder, Weight, add_to_parents

NO_THREAD = b"[no thread]"
_LARGEST_FACTOR = 1e18


def merge(profiles: Iterable[Profile]) -> Profile:
    """The sum of all profiles, whose unit must be one. Metadata on which all agree is kept."""
    profiles = list(profiles)
    units = sorted({profile.unit for profile in profiles})
    if len(units) > 1:
        raise OptionError(f"Profiles in {' and '.join(units)} cannot be added up; convert them to one unit.")
    tree = TreeBuilder()
    for profile in profiles:
        _add(tree, profile, profile.weights, _same_place(profile))
    shared = set.intersection(*(set(profile.metadata.items()) for profile in profiles)) if profiles else set()
    return tree.build(units[0] if units else "samples", dict(sorted(shared)))


def focus(profile: Profile, pattern: str) -> Profile:
    """Only the stacks with a matching frame, whole."""
    hit = _below(profile, _matching(profile, pattern))
    return _kept(profile, [weight if hit[node] else 0 for node, weight in enumerate(profile.weights)])


def ignore(profile: Profile, pattern: str) -> Profile:
    """Only the stacks without a matching frame."""
    hit = _below(profile, _matching(profile, pattern))
    return _kept(profile, [0 if hit[node] else weight for node, weight in enumerate(profile.weights)])


def hide(profile: Profile, pattern: str) -> Profile:
    """Every stack without its matching frames; what they weigh themselves goes to their callers."""
    return _hidden(profile, _matching(profile, pattern))


def only_package(profile: Profile, package: str) -> Profile:
    """Hides every frame outside a package, given as `app`, `app.api` or `app/api`. The total stays: what runs
    outside the package counts for the package's frame that called it, or for the root."""
    inside = _package_test(package)
    return _hidden(profile, [not inside(frame.split(name)) for name in profile.names])


def cut_after(profile: Profile, pattern: str) -> Profile:
    """Stacks end at their first matching frame, which takes the weight of everything it calls."""
    ends = _matching(profile, pattern)
    cut = [False] * len(profile)

    def place(tree: TreeBuilder, node: int, above: int) -> int:
        parent = profile.parent[node]
        cut[node] = cut[parent] or (parent != ROOT and ends[profile.name[parent]])
        return above if cut[node] else tree.child(above, _name(profile, node))

    return _rebuilt(profile, place)


def collapse_recursion(profile: Profile, *, indirect: bool = False) -> Profile:
    """A function that calls itself becomes one frame: `a;f;f;f;b` is `a;f;b`, its weight counted once.

    With `indirect`, calls through other functions are folded into the first call too: `f;g;f;b` is `f;b`.
    """

    if indirect:
        return _without_circles(profile)

    def place(tree: TreeBuilder, node: int, above: int) -> int:
        name = _name(profile, node)
        again = above != ROOT and tree.names[tree.name[above]] == name
        return above if again else tree.child(above, name)

    return _rebuilt(profile, place)


def reverse(profile: Profile) -> Profile:
    """Every stack innermost frame first: a tree of callers, functions by their own weight at its root."""
    tree = TreeBuilder()
    for node, weight in enumerate(profile.weights):
        if weight:
            at, caller = ROOT, node
            while caller != ROOT:
                at = tree.child(at, _name(profile, caller))
                caller = profile.parent[caller]
            tree.add(at, weight)
    return tree.build(profile.unit, profile.metadata)


def scale(profile: Profile, factor: float) -> Profile:
    """Every weight times a factor more than zero. Whole weights stay whole if the factor is whole."""
    if not 0 < factor <= _LARGEST_FACTOR:
        raise OptionError(f"The factor is {factor}; it must be more than 0 and at most {_LARGEST_FACTOR:g}.")
    if isinstance(factor, float) and factor.is_integer():
        factor = int(factor)
    weights = [weight * factor if weight else 0 for weight in profile.weights]
    return Profile(profile.parent, profile.name, weights, profile.names, profile.unit, profile.metadata)


def rename(profile: Profile, pattern: str, replacement: str) -> Profile:
    r"""Names with every match replaced (`\1` stands for the first group); frames that come to have the name
    of their sibling become one with it, and frames that come to have no name are hidden."""
    before = _texts(profile)
    after = patterns.replaced(pattern, replacement, before)
    names = [
        known if old == new else new.encode("utf-8", "surrogatepass")
        for known, old, new in zip(profile.names, before, after, strict=True)
    ]
    return _renamed(profile, names)


def drop_line_numbers(profile: Profile) -> Profile:
    """`f (a.py:12)` becomes `f (a.py)`; frames that differed by the line alone become one."""
    return _renamed(profile, [frame.without_line(name) for name in profile.names])


def drop_threads(profile: Profile) -> Profile:
    """Hides the frames that stand for a process or a thread."""
    return _hidden(profile, [_is_context(name) for name in profile.names])


def group_by_thread(profile: Profile) -> Profile:
    """Each stack below one frame with its thread's name, without ids, so that two runs can be compared.

    Frames of processes are left out. Stacks that name no thread stand below `[no thread]`.
    """
    threads = [frame.thread_of(name) for name in profile.names]
    processes = [frame.is_process(name) for name in profile.names]

    def place(tree: TreeBuilder, node: int, above: int) -> int:
        thread = threads[profile.name[node]]
        if processes[profile.name[node]]:
            return above
        if thread is None:
            return tree.child(above or tree.child(ROOT, NO_THREAD), _name(profile, node))
        above = tree.child(ROOT, thread)
        for caller in profile.path(profile.parent[node]):
            if not _is_context(_name(profile, caller)):
                above = tree.child(above, _name(profile, caller))
        return above

    return _rebuilt(profile, place)


Place = Callable[[TreeBuilder, int, int], int]


def _rebuilt(profile: Profile, place: Place, weights: Sequence[Weight] | None = None) -> Profile:
    """A new tree, parents first: `place` takes a node and where its caller went, and says where it goes."""
    tree = TreeBuilder()
    _add(tree, profile, profile.weights if weights is None else weights, place)
    return tree.build(profile.unit, profile.metadata)


def _add(tree: TreeBuilder, profile: Profile, weights: Sequence[Weight], place: Place) -> None:
    totals = list(weights)
    add_to_parents(totals, profile.parent)
    target = [ROOT] * len(profile)
    for node in range(1, len(profile)):
        if totals[node]:
            target[node] = place(tree, node, target[profile.parent[node]])
    for node, weight in enumerate(weights):
        if weight:
            tree.add(target[node], weight)


def _without_circles(profile: Profile) -> Profile:
    """Depth first. `path` holds the frames of the new stack by depth and `latest` the last one of each name;
    that one is still open if it stands in the path, no deeper than the caller."""
    tree, depth = TreeBuilder(), [0]
    children, totals = profile.children(), profile.totals
    path, latest = [ROOT], dict[int, int]()
    pending = [(ROOT, ROOT, ROOT, ROOT)]
    while pending:
        node, above, path_before, latest_before = pending.pop()
        if node < 0:
            path[depth[above]], latest[profile.name[~node]] = path_before, latest_before
            continue
        name = profile.name[node]
        at = latest.get(name, ROOT)
        if node != ROOT and (depth[at] > depth[above] or path[depth[at]] != at or at == ROOT):
            at = tree.child(above, profile.names[name])
            if at == len(depth):
                depth.append(depth[above] + 1)
            path.extend([ROOT] * (depth[at] + 1 - len(path)))
            pending.append((~node, at, path[depth[at]], latest.get(name, ROOT)))
            path[depth[at]] = latest[name] = at
        tree.add(at, profile.weights[node])
        pending.extend((child, at, ROOT, ROOT) for child in children[node] if totals[child])
    return tree.build(profile.unit, profile.metadata)


def _kept(profile: Profile, weights: Sequence[Weight]) -> Profile:
    return _rebuilt(profile, _same_place(profile), weights)


def _same_place(profile: Profile) -> Place:
    return lambda tree, node, above: tree.child(above, _name(profile, node))


def _hidden(profile: Profile, hidden: Sequence[bool]) -> Profile:
    return _rebuilt(
        profile,
        lambda tree, node, above: (
            above if hidden[profile.name[node]] else tree.child(above, _name(profile, node))
        ),
    )


def _renamed(profile: Profile, names: Sequence[bytes]) -> Profile:
    def place(tree: TreeBuilder, node: int, above: int) -> int:
        name = names[profile.name[node]]
        return tree.child(above, name) if name else above

    return _rebuilt(profile, place)


def _matching(profile: Profile, pattern: str) -> list[bool]:
    """By name id. The root's name is no frame's and never matches."""
    found = patterns.matches(pattern, _texts(profile))
    found[0] = False
    return found


def _below(profile: Profile, hit: Sequence[bool]) -> list[bool]:
    """For each node whether it or a caller of it has a name that is hit."""
    below = [False] * len(profile)
    for node in range(1, len(profile)):
        below[node] = hit[profile.name[node]] or below[profile.parent[node]]
    return below


def _texts(profile: Profile) -> list[str]:
    return [name.decode("utf-8", "replace") for name in profile.names]


def _name(profile: Profile, node: int) -> bytes:
    return profile.names[profile.name[node]]


def _is_context(name: bytes) -> bool:
    return frame.is_process(name) or frame.thread_of(name) is not None


def _package_test(package: str) -> Callable[[frame.Place], bool]:
    path = package.strip("./").replace(".", "/").encode("utf-8", "surrogatepass")
    if not path:
        raise OptionError("The package has no name; give one such as `app` or `app.api`.")
    module = path.replace(b"/", b".") + b"."

    def inside(place: frame.Place) -> bool:
        file = b"/" + place.file.replace(b"\\", b"/")
        return b"/%s/" % path in file or file.endswith(b"/%s.py" % path) or place.function.startswith(module)

    return inside
