"""The drawings of a page: a KB's schema, which relations its rules read, and the way from data to answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nesyc.docs.layout import Box, Pair, Point, layered
from nesyc.ir import nodes

CHARACTER, LINE, PADDING, MARGIN = 7.3, 17.0, 8.0, 12.0  # of the page's monospace, in pixels
BOW = 30.0
MOST_BOXES, MOST_EDGES = 200, 800  # more than this nobody reads in a drawing


@dataclass(frozen=True, slots=True)
class Node:
    """`lines`: (text, style) under the title; `style` one of stored, derived, data, model, stage, use."""

    id: str
    title: str
    style: str
    anchor: str = ""
    lines: tuple[tuple[str, str], ...] = ()
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """`style` one of plain, negated, counted; `label` is shown when pointed at."""

    source: str
    target: str
    label: str = ""
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Shape:
    node: Node
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """`paths` are (SVG path data, edge); a graph too large to draw has no shapes and says so in `note`."""

    title: str
    shapes: tuple[Shape, ...]
    paths: tuple[tuple[str, Edge], ...]
    width: float
    height: float
    note: str = ""


def draw(title: str, nodes_: Sequence[Node], edges: Sequence[Edge]) -> Drawing:
    if len(nodes_) > MOST_BOXES or len(edges) > MOST_EDGES:
        return Drawing(
            title, (), (), 0, 0, f"{len(nodes_)} boxes and {len(edges)} arrows are too many to draw"
        )
    boxes = [Box(node.id, _width(node), _height(node), node.layer) for node in nodes_]
    layout = layered(boxes, [(edge.source, edge.target) for edge in edges])
    shapes = tuple(
        Shape(node, _r(x + MARGIN), _r(y + MARGIN), _r(box.width), _r(box.height))
        for node, box in zip(nodes_, boxes, strict=True)
        for x, y in [layout.places[node.id]]
    )
    by_id = {shape.node.id: shape for shape in shapes}
    paths = tuple((_path(edge, layout.paths, by_id), edge) for edge in edges if edge.source in by_id)
    loops = 24 if any(edge.source == edge.target for edge in edges) else 0
    width, height = layout.width + 2 * MARGIN + 24, layout.height + 2 * MARGIN + loops
    return Drawing(title, shapes, tuple(p for p in paths if p[0]), _r(width), _r(height))


def _width(node: Node) -> float:
    longest = max(len(text) for text in (node.title, *(text for text, _ in node.lines)))
    return longest * CHARACTER + 2 * PADDING


def _height(node: Node) -> float:
    return LINE * (1 + len(node.lines)) + PADDING


def _path(edge: Edge, paths: Mapping[Pair, tuple[Point, ...]], shapes: Mapping[str, Shape]) -> str:
    if edge.source == edge.target:
        shape = shapes[edge.source]
        x, y = shape.x + shape.width / 2, shape.y + shape.height
        return (
            f"M{_r(x - 10)} {_r(y)}C{_r(x - 16)} {_r(y + 22)} {_r(x + 16)} {_r(y + 22)} {_r(x + 10)} {_r(y)}"
        )
    points = paths.get((edge.source, edge.target))
    if points is None:
        return ""
    moved = [(x + MARGIN, y + MARGIN) for x, y in points]
    parts = [f"M{_r(moved[0][0])} {_r(moved[0][1])}"]
    for (ax, ay), (bx, by) in pairwise(moved):
        # between boxes of one layer the arrow bows out, and comes back
        out, back = ((bx - ax) / 2, (bx - ax) / 2) if abs(bx - ax) > 1 else (BOW, -BOW)
        parts.append(f"C{_r(ax + out)} {_r(ay)} {_r(bx - back)} {_r(by)} {_r(bx)} {_r(by)}")
    return "".join(parts)


def _r(value: float) -> float:
    return round(value, 1)


# --- the schema ----------------------------------------------------------------------------------


def schema_drawing(kb: nodes.Kb) -> Drawing:
    """Relations with their columns; an arrow from each foreign key to the relation whose key it is."""
    boxes = [
        Node(
            relation.name,
            relation.name,
            "derived" if relation.derived else "stored",
            f"{'derived' if relation.derived else 'relation'}-{kb.name}.{relation.name}",
            tuple(
                (f"{column.name}: {type_text(column.type)}", "key" if column.name in relation.key else "")
                for column in relation.columns
            ),
        )
        for relation in kb.relations
    ]
    edges = [
        Edge(relation.name, column.references, f"{relation.name}.{column.name}")
        for relation in kb.relations
        for column in relation.columns
        if column.references is not None
    ]
    return draw(f"Schema of {kb.name}", boxes, edges)


def type_text(type_: nodes.Type) -> str:
    name = type_.enum or type_.base
    size = f"({type_.size})" if type_.size is not None else ""
    return f"{name}{size}{'?' if type_.nullable else ''}"


# --- rules ---------------------------------------------------------------------------------------


def rules_drawing(kb: nodes.Kb) -> Drawing:
    """Which relation is derived from which; from left to right the strata, stored relations first."""
    stratum = {name: number for number, s in enumerate(kb.strata, 1) for name in s.relations}
    boxes = [
        Node(
            relation.name,
            relation.name,
            "derived" if relation.derived else "stored",
            f"{'derived' if relation.derived else 'relation'}-{kb.name}.{relation.name}",
            ((f"stratum {stratum[relation.name]}", "dim"),) if relation.name in stratum else (),
            stratum.get(relation.name, 0),
        )
        for relation in kb.relations
    ]
    by_pair: dict[tuple[str, str, str], list[str]] = {}
    for rule in kb.rules:
        for relation, style in reads(rule.body):
            by_pair.setdefault((relation, rule.head.relation, style), []).append(rule.name)
    edges = [
        Edge(source, target, ", ".join(dict.fromkeys(names)), style)
        for (source, target, style), names in by_pair.items()
    ]
    return draw(f"Rules of {kb.name}", boxes, edges)


def reads(body: Sequence[nodes.BodyLiteral]) -> Iterator[tuple[str, str]]:
    """(relation, style of the arrow) for each atom of a body."""
    for literal in body:
        match literal:
            case nodes.AtomLiteral():
                yield literal.relation, "negated" if literal.negated else "plain"
            case nodes.OrLiteral():
                yield from reads(literal.branches)
            case nodes.AggregateLiteral():
                yield from ((relation, "counted") for relation, _ in reads(literal.body))
            case _:
                continue


# --- lineage -------------------------------------------------------------------------------------

READS = ("teacher", "student", "model", "data", "examples", "against", "retrieve", "select", "of")


def lineage_drawing(spec: nodes.Spec) -> Drawing:
    """From datasets and teachers through stages and knowledge to what answers and is evaluated."""
    boxes: dict[str, Node] = {}
    edges: list[Edge] = []
    for dataset in spec.datasets:
        for split in dataset.splits:
            id_ = f"{dataset.name}.{split.name}"
            held = (("held out", "dim"),) if split.held_out else ()
            boxes[id_] = Node(id_, id_, "data", f"dataset-{dataset.name}", held)
    for kind, declared in (("teacher", spec.teachers), ("student", spec.students)):
        for one in declared:
            boxes[one.name] = Node(one.name, one.name, "model", f"{kind}-{one.name}", ((kind, "dim"),))
    for kb in spec.kbs:
        boxes[f"kb {kb.name}"] = Node(
            f"kb {kb.name}", kb.name, "stored", f"kb-{kb.name}", (("knowledge base", "dim"),)
        )
    for pipeline in spec.pipelines:
        for stage in pipeline.stages:
            boxes[stage.id] = Node(
                stage.id, stage.id, "stage", _stage_anchor(pipeline, stage), ((stage.kind, "dim"),)
            )
    for retrieve in spec.retrieves:
        boxes[f"retrieve {retrieve.name}"] = Node(
            f"retrieve {retrieve.name}",
            retrieve.name,
            "use",
            f"retrieve-{retrieve.name}",
            (("retrieve", "dim"),),
        )
        edges.append(Edge(f"kb {retrieve.kb}", f"retrieve {retrieve.name}", "searched"))
    for pipeline in spec.pipelines:
        for stage in pipeline.stages:
            edges += _stage_edges(spec, stage)
    edges += _uses(spec, boxes)
    drawn = {edge.source for edge in edges} | {edge.target for edge in edges}
    return draw(
        "Lineage",
        [box for box in boxes.values() if box.id in drawn],
        [edge for edge in edges if edge.source in boxes and edge.target in boxes],
    )


def _stage_anchor(pipeline: nodes.Pipeline, stage: nodes.Stage) -> str:
    inside = pipeline.location.line < stage.location.line <= pipeline.location.end_line
    same = inside and pipeline.location.file == stage.location.file
    return f"stage-{pipeline.name}.{stage.name}" if same else f"pipeline-{pipeline.name}"


def _stage_edges(spec: nodes.Spec, stage: nodes.Stage) -> list[Edge]:
    edges: list[Edge] = []
    for field in READS:
        value = getattr(stage, field, None)
        for name in (value,) if isinstance(value, str) else value or ():
            if field == "student" and getattr(stage, "model", name) != name:
                continue  # it goes on from a stage that started from the student
            edges.append(Edge(f"retrieve {name}" if field == "retrieve" else name, stage.id, field))
    distil = getattr(stage, "distil", None)
    if distil is not None:
        edges.append(Edge(distil.teacher, stage.id, "probabilities"))
    if isinstance(stage, nodes.ExtractStage):
        edges.append(Edge(stage.id, f"kb {stage.into.split('.')[0]}", "writes entries"))
    if isinstance(stage, nodes.InduceStage):
        edges.append(Edge(stage.id, f"kb {stage.kb}", "proposes rules"))
    kept = {(edge.source, edge.target): edge for edge in reversed(edges)}
    return list(kept.values())[::-1]


def _uses(spec: nodes.Spec, boxes: dict[str, Node]) -> list[Edge]:
    """Answers and evaluations, as boxes and the arrows to them."""
    edges: list[Edge] = []
    for answer in spec.answers:
        id_ = f"answer {answer.task}"
        boxes[id_] = Node(id_, answer.task, "use", f"answer-{answer.task}", (("answer", "dim"),))
        edges.append(Edge(answer.model, id_, "answers"))
        if answer.retrieve is not None:
            edges.append(Edge(f"retrieve {answer.retrieve}", id_, "retrieve"))
        edges += [Edge(f"kb {name}", id_, "rejects") for name in answer.reject]
    for evaluate in spec.evaluates:
        id_ = f"evaluate {evaluate.name}"
        boxes[id_] = Node(id_, evaluate.name, "use", f"evaluate-{evaluate.name}", (("evaluate", "dim"),))
        models = dict.fromkeys((evaluate.model, *evaluate.students))
        edges += [
            Edge(model, id_, "evaluated" if model == evaluate.model else "compared") for model in models
        ]
        edges.append(Edge(evaluate.split, id_, "on"))
        if evaluate.retrieve is not None:
            edges.append(Edge(f"retrieve {evaluate.retrieve}", id_, "retrieve"))
    return edges
