"""The screen of `nesyc review`: a list, what stands behind the proposal looked at, and one key a decision."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Label, OptionList, Static, TextArea

from nesyc.cli.errors import CliError
from nesyc.cli.review_text import details, rule_details
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.review.review import Proposal, Review, RuleProposal


class Note(ModalScreen[str | None]):
    """Asks for a reason; None where the person goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "back")]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        yield Label(Text(self._question))
        yield Input(placeholder="a note for the history (Enter: none)")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_back(self) -> None:
        self.dismiss(None)


class Editor(ModalScreen[dict[str, Any] | None]):
    """The values as JSON, one object; None where the person goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "keep", "keep", priority=True),
        Binding("escape", "back", "back", priority=True),
    ]

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self._values = values

    def compose(self) -> ComposeResult:
        yield Label("Edit the values. Ctrl+S keeps them, Escape goes back.")
        # ASCII JSON: no character in it can steer the terminal
        yield TextArea(json.dumps(self._values, indent=1), language=None)
        yield Label("", id="problem")
        yield Footer()

    def action_keep(self) -> None:
        try:
            value = json.loads(self.query_one(TextArea).text)
        except ValueError as error:
            self.query_one("#problem", Label).update(Text(f"no JSON: {error}"))
            return
        if not isinstance(value, dict):
            self.query_one("#problem", Label).update(Text("expected an object { ... }"))
            return
        self.dismiss(value)

    def action_back(self) -> None:
        self.dismiss(None)


class ReviewScreen(App[None]):
    """Decisions go to the store as they are made; leaving at any moment loses none."""

    TITLE = "nesyc review"
    ENABLE_COMMAND_PALETTE = False
    CSS = "OptionList { width: 40%; } VerticalScroll { width: 60%; padding: 0 1; } #said { height: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "accept", "accept"),
        Binding("e", "edit", "edit"),
        Binding("r", "reject", "reject"),
        Binding("u", "take_back", "undo"),
        Binding("j", "move(1)", "next", show=False),
        Binding("k", "move(-1)", "previous", show=False),
        Binding("q", "quit", "leave"),
    ]

    def __init__(self, review: Review) -> None:
        super().__init__()
        self._review = review
        self._effects: dict[str, Any] = {}

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield OptionList(id="list")
            with VerticalScroll():
                yield Static(id="details")
        yield Static(id="said")
        yield Footer()

    def on_mount(self) -> None:
        self._show("")

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._review.place = event.option_index
        self._show_details()

    def action_move(self, steps: int) -> None:
        self._review.move(steps)
        self.query_one("#list", OptionList).highlighted = self._review.place
        self._show_details()

    def action_accept(self) -> None:
        self._decide(self._review.accept, "accepted")

    def action_reject(self) -> None:
        if self._review.current is not None:
            self.push_screen(Note("Why is it rejected?"), self._reject)

    def _reject(self, note: str | None) -> None:
        if note is not None:
            self._decide(lambda: self._review.reject(note), "rejected")

    def action_edit(self) -> None:
        if self._review.current is not None:
            self.push_screen(Editor(dict(self._review.current.values)), self._edit)

    def _edit(self, values: dict[str, Any] | None) -> None:
        if values is not None:
            self._decide(lambda: self._review.edit(values), "edited")

    def action_take_back(self) -> None:
        self._decide(self._review.take_back, "taken back")

    def _decide(self, decision: Any, done: str) -> None:
        try:
            result = decision()
        except (UserError, CliError) as error:
            self._show(error.message)
            return
        self._show("nothing to take back" if result is False else done)

    def _show(self, said: str) -> None:
        listed = self.query_one("#list", OptionList)
        listed.clear_options()
        listed.add_options([Text(printable(one.name, 80)) for one in self._review.waiting])
        if self._review.waiting:
            listed.highlighted = self._review.place
        counts = ", ".join(f"{count} {what}" for what, count in self._review.counts.items())
        left = f"{len(self._review.waiting)} left; {counts}"
        self.query_one("#said", Static).update(Text(printable(f"{said}  ({left})" if said else left, 200)))
        self._show_details()

    def _lines(self, current: Proposal | RuleProposal) -> list[str]:
        if isinstance(current, Proposal):
            return details(current)
        if current.text not in self._effects:
            assert self._review.rules is not None
            self._effects[current.text] = self._review.rules.effect(current)
        return rule_details(current, self._effects[current.text])

    def _show_details(self) -> None:
        current = self._review.current
        lines = self._lines(current) if current is not None else ["Everything is decided. q leaves."]
        self.query_one("#details", Static).update(Text("\n".join(lines)))
