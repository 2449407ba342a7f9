"""Every block and every call of the language: its keys and arguments, what they take, their defaults."""

from __future__ import annotations

from nesyc.checks.kinds import (
    AnyOf,
    CallOf,
    Choice,
    FilePath,
    Kind,
    ListOf,
    Names,
    Options,
    Parameter,
    Raw,
    Ref,
    Scalar,
    Signature,
    Target,
    United,
    Word,
)

P = Parameter
TEXT, BOOL = Scalar("text"), Scalar("bool")
TEXT_OR_ENV = Scalar("text", env=True)
COUNT, SEED = Scalar("int", minimum=1), Scalar("int", minimum=0)
POSITIVE, NON_NEGATIVE = Scalar("number", above=0), Scalar("number", minimum=0)
SHARE = Scalar("number", minimum=0, maximum=1)
CONFIDENCE = Scalar("number", above=0, maximum=1)
USD = Scalar("usd", minimum=0)

TRAINING_TASKS = ("direct", "answer", "rationale", "answer_given", "augmented", "augmented_answer", "explain")
LOADERS = ("jsonl", "csv", "parquet", "json", "hf_dataset", "generate")
FACT_LOADERS = ("csv", "jsonl", "parquet", "triples", "sqlite", "wikidata")
PARSERS = ("last_match", "first_match", "after_last", "number", "choice", "boxed", "json_field", "rest")
TEXT_FUNCTIONS = ("concat", "lower", "upper", "length", "contains", "starts_with", "replace", "matches")
ITEM_FUNCTIONS = (*TEXT_FUNCTIONS, "mentions")  # in metrics, queries and filters
STAGES = ("sample", "finetune", "mine_errors", "extract", "induce", "validate")
DIVERGENCES = ("kl", "reverse_kl", "jsd", "tvd")
BUILT_IN_SCORES = ("cited_rate", "cost_usd", "abstained_rate", "unparsed_rate", "tokens", "seconds")

MODEL = Ref(("student", "model"))
SPLIT = Ref(("split",))
COLUMNS = P("columns", Options(), {})  # what the file calls a column, where it is not its own name
REVIEW = P("review", Choice(("optional", "required")), "optional")
LIMIT = P("limit", COUNT, None)


def _file(name: str, *more: Parameter) -> Signature:
    return Signature(name, (P("path", FilePath()), LIMIT, *more), positional=1)


def _facts(name: str, *more: Parameter) -> Signature:
    parameters = (
        P("path", FilePath(exists=True)),
        P("confidence", CONFIDENCE, 1.0),
        P("bad_rows", Choice(("stop", "reject")), "stop"),
        *more,
    )
    return Signature(name, parameters, positional=1, place="facts")


def _adapter(name: str) -> Signature:
    targets = AnyOf((Choice(("all_linear",)), ListOf(TEXT)))
    return Signature(
        name,
        (
            P("rank", COUNT, 8),
            P("alpha", COUNT, None),
            P("dropout", SHARE, 0.0),
            P("targets", targets, "all_linear"),
        ),
    )


def _server(name: str) -> Signature:
    return Signature(
        name,
        (
            P("model", TEXT_OR_ENV),
            P("url", TEXT_OR_ENV),
            P("key", TEXT_OR_ENV, None),
            P("temperature", NON_NEGATIVE, 0.8),
            P("max_tokens", COUNT, 1024),
            P("timeout", POSITIVE, 60.0),
            P("top_logprobs", Scalar("int", minimum=1, maximum=20), None),
        ),
    )


def _divergence(name: str, *more: Parameter) -> Signature:
    """A loss over the teacher's probabilities; `mix` is its share beside cross-entropy, `on_policy` of own samples."""
    parameters = (
        P("teacher", Ref(("teacher",)), None),
        P("temperature", POSITIVE, 1.0),
        P("top_k", COUNT, None),
        P("mix", Scalar("number", above=0, maximum=1), 1.0),
        P("on_policy", AnyOf((SHARE, CallOf(("ramp",)))), 0.0),
        P("fallback", Choice(("cross_entropy",)), None),
    )
    return Signature(name, (*more, *parameters), positional=len(more))


def _text_function(name: str) -> Signature:
    return Signature(name, (), rest=Raw())


_CALLS = (
    Signature("env", (P("name", TEXT),), positional=1),
    _server("openai_compatible"),
    _server("vllm"),
    Signature("recorded", (P("path", FilePath()), P("join", Names()), P("text", Word())), positional=1),
    Signature("program", (P("target", Target()),), positional=1),
    Signature("ramp", (P("start", SHARE), P("end", SHARE)), positional=2),
    Signature("usd_per_million", (P("input", USD), P("output", USD))),
    Signature(
        "limits",
        (P("max_usd", USD, None), P("rpm", COUNT, None), P("in_flight", COUNT, 20), P("retries", SEED, 3)),
    ),
    Signature("hf", (P("name", TEXT), P("revision", TEXT, None)), positional=1),
    Signature(
        "hf",
        (P("name", TEXT), P("temperature", NON_NEGATIVE, 0.8), P("max_tokens", COUNT, 1024)),
        positional=1,
        place="endpoint",
    ),
    Signature("local", (P("path", FilePath()),), positional=1),
    Signature("gguf", (P("file", TEXT), P("package", TEXT, None)), positional=1),
    Signature(
        "scratch",
        (
            P("layers", COUNT, None),
            P("width", COUNT, None),
            P("heads", COUNT, None),
            P("hidden", COUNT, None),
            P("context", COUNT, None),
            P("tokenizer", Choice(("characters",)), None),
        ),
    ),
    _adapter("lora"),
    _adapter("dora"),
    _adapter("qlora"),
    Signature("full", ()),
    _file("jsonl"),
    _file("csv"),
    _file("parquet"),
    _facts("csv", COLUMNS),
    _facts("jsonl", COLUMNS),
    _facts("parquet", COLUMNS),
    _facts(
        "triples",
        P("syntax", Choice(("tsv", "ntriples", "turtle")), None),
        P("predicate", TEXT, None),
        P("base", TEXT, None),
        P("prefixes", Options(), {}),
        P("language", TEXT, None),
    ),
    _facts("sqlite", P("table", TEXT), COLUMNS),
    _facts("wikidata", P("columns", Options()), P("language", TEXT, "en")),
    _file("json", P("at", TEXT, None), P("file_as", TEXT, None), P("index_as", TEXT, None)),
    Signature(
        "hf_dataset",
        (
            P("name", TEXT),
            P("split", TEXT, "train"),
            P("config", AnyOf((ListOf(TEXT), TEXT)), None),
            P("config_as", TEXT, None),
            P("revision", TEXT, None),
            LIMIT,
        ),
        positional=1,
    ),
    Signature(
        "generate",
        (P("target", Target()), P("n", COUNT), P("seed", SEED), LIMIT),
        positional=3,
        extra=AnyOf((TEXT, Scalar("number"), BOOL)),
    ),
    Signature(
        "hash_split", (P("source", CallOf(LOADERS)), P("by", Names()), LIMIT), positional=1, extra=SHARE
    ),
    Signature("sqlite", (P("file", TEXT),), positional=1),
    Signature("top_proofs", (P("k", Scalar("int", minimum=1, maximum=10), 3),), positional=1),
    Signature(
        "origin_cap",
        (P("human", CONFIDENCE, 1.0), P("teacher", CONFIDENCE, 1.0), P("unreviewed", CONFIDENCE, 1.0)),
    ),
    Signature("embed", (P("embedder", Ref(("embedder",))), P("column", Word())), positional=2),
    Signature("confidence", (P("below", AnyOf((CallOf(("tuned",)), SHARE))),)),
    Signature("tuned", (P("split", SPLIT),), positional=1),
    Signature("tokens", (P("n", COUNT),), positional=1),
    Signature(
        "hybrid",
        (P("fulltext", Raw()), P("nearest", Raw()), P("weights", ListOf(NON_NEGATIVE), None)),
    ),
    Signature("fulltext", (), rest=Raw()),
    Signature("nearest", (), rest=Raw()),
    Signature("bootstrap", (P("seeds", COUNT, 1), P("samples", COUNT, 1000))),
    Signature("weighted", (P("by", Word()),), positional=1),
    Signature("contradicts", (P("kb", Ref(("kb",))),), positional=1, rest=Ref(("kb",))),
    _divergence("kl"),
    _divergence("reverse_kl"),
    _divergence("jsd", P("beta", SHARE, 0.5)),
    _divergence("tvd"),
    Signature("mean", (P("value", Raw()),), positional=1),
    Signature("sum", (P("value", Raw()),), positional=1),
    Signature("min", (P("value", Raw()),), positional=1),
    Signature("max", (P("value", Raw()),), positional=1),
    Signature("last_match", (P("pattern", TEXT),), positional=1),
    Signature("first_match", (P("pattern", TEXT),), positional=1),
    Signature("after_last", (P("phrase", TEXT),), positional=1),
    Signature("json_field", (P("name", TEXT),), positional=1),
    Signature("number", ()),
    Signature("choice", ()),
    Signature("boxed", ()),
    Signature("rest", ()),
    *(_text_function(name) for name in ITEM_FUNCTIONS),
    # --- stages ---
    Signature(
        "sample",
        (
            P("teacher", Ref(("teacher",))),
            P("data", SPLIT),
            P("n", COUNT, 1),
            P("keep", Choice(("all", "correct", "majority")), "correct"),
            P("temperature", NON_NEGATIVE, None),
            LIMIT,
            REVIEW,
        ),
    ),
    Signature(
        "finetune",
        (
            P("student", MODEL, None),
            P("model", MODEL, None),
            P("data", United(("examples", "errors", "split"))),
            P("tasks", ListOf(Choice(TRAINING_TASKS)), ("direct",)),
            P("weights", ListOf(NON_NEGATIVE), None),
            P("retrieve", Ref(("retrieve",)), None),
            P("fade", CallOf(("ramp",)), None),
            P("select", SPLIT, None),
            P(
                "loss",
                AnyOf((CallOf(DIVERGENCES), Choice(("cross_entropy", *DIVERGENCES), bare=True))),
                "cross_entropy",
            ),
            P("epochs", POSITIVE, 3),
            P("lr", POSITIVE, 2e-4),
            P("batch", COUNT, 8),
            P("warmup", SHARE, 0.1),
            P("schedule", Choice(("cosine", "linear", "constant")), "cosine"),
            P("seed", SEED, 0),
            P("options", Options(), {}),
            REVIEW,
        ),
    ),
    Signature(
        "mine_errors",
        (
            P("model", MODEL),
            P("data", SPLIT),
            P("against", United(("examples",))),
            P("folds", COUNT, 1),
            P("by", Names(), ()),
            LIMIT,
            REVIEW,
        ),
    ),
    Signature(
        "extract",
        (
            P("teacher", Ref(("teacher",))),
            P("data", United(("errors",))),
            P("into", Ref(("relation",))),
            P("show_gold", BOOL, False),
            LIMIT,
            REVIEW,
        ),
    ),
    Signature(
        "induce",
        (
            P("teacher", Ref(("teacher",))),
            P("data", United(("errors",))),
            P("into", FilePath()),
            P("kb", Ref(("kb",)), None),
            P("min_support", COUNT, 5),
            P("show_gold", BOOL, False),
            LIMIT,
            REVIEW,
        ),
    ),
    Signature(
        "validate",
        (
            P("of", United(("entries", "rules"))),
            P("model", MODEL, None),
            P("data", SPLIT),
            P("drop", BOOL, True),
            REVIEW,
        ),
        positional=1,
    ),
)

# A name that means something else in another place stands there as `place.name`.
CALLS = {signature.id: signature for signature in _CALLS}
FUNCTIONS = frozenset(signature.name for signature in _CALLS)

BASE_MODEL: Kind = CallOf(("hf", "local", "gguf", "scratch"))

BLOCKS = {
    "teacher": Signature(
        "teacher",
        (
            P("endpoint", CallOf(("openai_compatible", "vllm", "endpoint.hf", "recorded", "program"))),
            P("price", CallOf(("usd_per_million",)), None),
            P("limits", CallOf(("limits",)), None),
            P("system", TEXT, None),
            P("fallback", Ref(("teacher",)), None),
        ),
    ),
    "student": Signature(
        "student",
        (
            P("base", BASE_MODEL),
            P(
                "adapter",
                AnyOf((CallOf(("lora", "dora", "qlora", "full")), Choice(("lora", "dora", "qlora", "full")))),
                None,
            ),
            P("max_tokens", COUNT, 1024),
            P("max_new_tokens", COUNT, 256),
            P("template", Choice(("auto", "chat", "plain")), "auto"),
            P("options", Options(), {}),
        ),
    ),
    "embedder": Signature("embedder", (P("base", CallOf(("hf", "local"))), P("dim", COUNT))),
    "dataset": Signature("dataset", (P("splits", CallOf(("hash_split",)), None),)),
    "task": Signature("task", ()),
    "kb": Signature(
        "kb",
        (
            P("store", CallOf(("sqlite",)), None),
            P(
                "semantics",
                AnyOf((CallOf(("top_proofs",)), Choice(("boolean", "max_min", "max_product"), bare=True))),
                "boolean",
            ),
            P("ceiling", CallOf(("origin_cap",)), None),
            P("engine", Choice(("auto", "sqlite", "duckdb"), bare=True), "auto"),
        ),
    ),
    "retrieve": Signature(
        "retrieve",
        (
            P("query", Raw()),
            P("search", CallOf(("hybrid", "fulltext", "nearest"))),
            P("where", Raw(), None),
            P("gate", CallOf(("confidence",)), None),
            P("take", COUNT, 1),
            P("budget", CallOf(("tokens",)), None),
            P("cite", BOOL, False),
            P("own_entries", BOOL, False),
            P("diversity", SHARE, 0.0),
        ),
    ),
    "answer": Signature(
        "answer",
        (
            P("retrieve", Ref(("retrieve",)), None),
            P("format", Choice(TRAINING_TASKS), None),
            P("samples", COUNT, 1),
            P("temperature", NON_NEGATIVE, None),  # greedy; 0.6 where several samples vote
            P("vote", AnyOf((CallOf(("weighted",)), Choice(("majority",), bare=True))), "majority"),
            P("reject", CallOf(("contradicts",)), None),
        ),
    ),
    "evaluate": Signature(
        "evaluate",
        (
            P("format", Choice(TRAINING_TASKS), None),
            P("retrieve", Ref(("retrieve",)), None),
            LIMIT,
        ),
    ),
}

WHICH_OUTPUT = {
    "sample": "examples",
    "finetune": "model",
    "mine_errors": "errors",
    "extract": "entries",
    "induce": "rules",
    "validate": "entries",
}
