"""The chat server of the teachers' tests."""

from tests.teachers.conftest import chat_server as chat_server
