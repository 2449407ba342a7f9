"""From a teacher's declaration to one that can be asked, and which stands in for one that cannot."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.project import Project
from nesyc_runtime.teachers.base import Teacher
from nesyc_runtime.teachers.limits import Budget
from nesyc_runtime.teachers.local import LocalTeacher
from nesyc_runtime.teachers.program import ProgramTeacher
from nesyc_runtime.teachers.recorded import RecordedTeacher


@dataclass(frozen=True, slots=True)
class Substitution:
    """`fallback` answers for `teacher`, whose endpoint needs `variables` that are not set."""

    teacher: str
    fallback: str
    variables: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.variables)
        return f"teacher {self.teacher} is not set up ({names} unset): {self.fallback} stands in for it"


@dataclass
class Teachers:
    """The teachers of a spec, opened when first asked for; `substitutions` names those replaced."""

    spec: config.Spec
    project: Project
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    substitutions: dict[str, Substitution] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    _open: dict[str, Teacher] = field(default_factory=dict)

    def declaration(self, name: str) -> config.Teacher:
        """The declaration of the teacher that will answer for `name`; raises `UserError` where none can."""
        chain = [name]
        while True:
            teacher = self._declared(chain[-1])
            unset = self._unset(teacher)
            if not unset:
                break
            if teacher.fallback is None or teacher.fallback in chain:
                raise UserError(
                    f"teacher {teacher.name}: the environment variable {unset[0]} is not set",
                    f"export {unset[0]}=..., or give the teacher a `fallback`",
                )
            chain.append(teacher.fallback)
        if len(chain) > 1:
            first = tuple(self._unset(self._declared(name)))
            self.substitutions[name] = Substitution(name, chain[-1], first)
        return teacher

    def get(self, name: str) -> Teacher:
        """The teacher that answers for `name`, ready to be asked."""
        declaration = self.declaration(name)
        if declaration.name not in self._open:
            self._open[declaration.name] = self._make(declaration)
        return self._open[declaration.name]

    def budget(self, name: str) -> Budget:
        """The budget of the teacher that answers for `name`, shared by all stages of a run."""
        teacher = self.declaration(name)
        if teacher.name not in self.budgets:
            self.budgets[teacher.name] = Budget(teacher.name, teacher.price, teacher.limits.max_usd)
        return self.budgets[teacher.name]

    def _declared(self, name: str) -> config.Teacher:
        return next(teacher for teacher in self.spec.teachers if teacher.name == name)

    def _unset(self, teacher: config.Teacher) -> list[str]:
        if not isinstance(teacher.endpoint, config.ServerEndpoint):
            return []
        values = (teacher.endpoint.url, teacher.endpoint.model, teacher.endpoint.key)
        names = [value.name for value in values if isinstance(value, config.EnvRef)]
        return [name for name in names if not self.env.get(name, "").strip()]

    def _make(self, teacher: config.Teacher) -> Teacher:
        match teacher.endpoint:
            case config.RecordedEndpoint():
                return RecordedTeacher(teacher.name, teacher.endpoint, self.project)
            case config.ProgramEndpoint():
                return ProgramTeacher(teacher.name, teacher.endpoint, self.project)
            case config.LocalEndpoint():
                return LocalTeacher(teacher.name, teacher.endpoint)
            case config.ServerEndpoint():
                # httpx and tenacity load only where a server is asked
                from nesyc_runtime.teachers.server import ServerTeacher

                return ServerTeacher(teacher, teacher.endpoint, self.env, self.budget(teacher.name))
