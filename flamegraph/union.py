"""Several profiles over one call tree: the same columns for all, each with weights of its own."""

from __future__ import annotations

from collections.abc import Sequence

from flamegraph.profile import ROOT, Profile, TreeBuilder, Weight


def union(profiles: Sequence[Profile]) -> list[Profile]:
    """The profiles over the union of their call trees, in time linear in their nodes.

    `parent`, `name` and `names` are the same objects in all of them; a node that a profile does not have
    weighs 0.
    """
    tree = TreeBuilder()
    places = [_placed(tree, profile) for profile in profiles]
    return [_over(tree, profile, nodes) for profile, nodes in zip(profiles, places, strict=True)]


def _placed(tree: TreeBuilder, profile: Profile) -> list[int]:
    """The union's node for each of the profile's."""
    child, names = tree.child, profile.names
    nodes = [ROOT]
    for parent, name in zip(profile.parent[1:], profile.name[1:], strict=True):
        nodes.append(child(nodes[parent], names[name]))
    return nodes


def _over(tree: TreeBuilder, profile: Profile, nodes: Sequence[int]) -> Profile:
    weights: list[Weight] = [0] * len(tree.parent)
    for node, weight in zip(nodes, profile.weights, strict=True):
        weights[node] += weight
    return Profile(tree.parent, tree.name, weights, tree.names, profile.unit, profile.metadata)
