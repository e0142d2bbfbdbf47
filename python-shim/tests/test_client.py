"""The client against a stand-in: what it sends, what it makes of answers, and what it does when connections break."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hq_bridge import Client, HqError, ServerUnavailable, read_access, server_directory


def test_directory_comes_from_argument_then_environment_then_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert server_directory() == tmp_path / ".hq-server"
    monkeypatch.setenv("HQ_SERVER_DIR", "/somewhere/else")
    assert str(server_directory()) == "/somewhere/else"
    assert str(server_directory("~/mine")) == str(tmp_path / "mine")


def test_current_link_leads_to_the_identity(fake, tmp_path):
    (tmp_path / "hq-current").symlink_to(fake.directory)
    assert read_access(tmp_path).server_uid == "uid-1"
    assert read_access(fake.directory).server_uid == "uid-1"


def test_no_access_file_is_no_server(tmp_path):
    with Client(tmp_path) as client, pytest.raises(ServerUnavailable) as caught:
        client.server_info()
    assert caught.value.code == "HQ_E_NO_SERVER"
    assert not caught.value.sent
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]", '{"client": {"hosts": []}, "socket": null}'])
def test_broken_access_file_is_named(tmp_path, content):
    (tmp_path / "access.json").write_text(content)
    with Client(tmp_path) as client, pytest.raises(HqError) as caught:
        client.server_info()
    assert caught.value.code == "HQ_E_ACCESS_FILE"
    assert str(tmp_path / "access.json") in caught.value.message


def test_one_connection_serves_all_requests(fake):
    with Client(fake.directory) as client:
        for _ in range(3):
            client.server_info()
    assert len({request.connection for request in fake.requests}) == 1


def test_bodies_and_queries(fake):
    with Client(fake.directory) as client:
        client.create_job({"name": "x", "open": True})
        client.cancel(3, "1-2", "why not")
        client.cancel(3)
        client.jobs(live=True, labels={"a=b": "c&d"})
        client.tasks(3, ids="1-5", states=["failed", "aborted"])
        client.forget_job(3)
    seen = [(request.method, request.path, request.body) for request in fake.requests]
    assert seen == [
        ("POST", "/v1/jobs", {"name": "x", "open": True}),
        ("POST", "/v1/jobs/3/cancel", {"taskIds": "1-2", "reason": "why not"}),
        ("POST", "/v1/jobs/3/cancel", {}),
        ("GET", "/v1/jobs?label=a%3Db%3Dc%26d&live=true", None),
        ("GET", "/v1/jobs/3/tasks?ids=1-5&states=failed%2Caborted", None),
        ("DELETE", "/v1/jobs/3", None),
    ]
    assert fake.requests[0].headers["Content-Type"] == "application/json"
    assert "Authorization" not in fake.requests[0].headers


def test_token_is_sent_over_tcp(fake):
    fake.stop()
    fake.token = "secret"
    fake.start(tcp=True)
    with Client(fake.directory) as client:
        client.server_info()
    assert fake.requests[0].headers["Authorization"] == "Bearer secret"


def test_error_of_the_server_becomes_an_exception(fake):
    error = {"code": "HQ_E_JOB_NOT_FOUND", "message": "job 7 not found", "hint": "List the jobs", "data": {"job": 7}}
    fake.answer = lambda _request: (404, {"error": error})
    with Client(fake.directory) as client, pytest.raises(HqError, match=r"job 7 not found[.] List the jobs") as caught:
        client.job(7)
    assert (caught.value.code, caught.value.data) == ("HQ_E_JOB_NOT_FOUND", {"job": 7})


def test_answer_that_is_not_json_is_a_protocol_error(fake):
    fake.answer = lambda _request: (500, None)
    with Client(fake.directory) as client, pytest.raises(HqError) as caught:
        client.job(7)
    assert caught.value.code == "HQ_E_PROTOCOL"


def test_closed_idle_connection_is_replaced(fake):
    with Client(fake.directory) as client:
        client.server_info()
        fake.cut()
        client.create_job({"name": "x"})
    assert len({request.connection for request in fake.requests}) == 2


def test_restarted_server_is_found_at_its_new_place(fake):
    with Client(fake.directory) as client:
        client.server_info()
        fake.stop()
        fake.cut()
        with pytest.raises(ServerUnavailable) as caught:
            client.server_info()
        assert (caught.value.code, caught.value.sent) == ("HQ_E_SERVER_UNREACHABLE", False)
        fake.start(tcp=True)
        client.create_job({"name": "x"})
    assert fake.requests[-1].path == "/v1/jobs"


def break_first(fake):
    """Takes the second request and dies before it answers."""

    def answer(request):
        if len(fake.requests) == 2:
            request.handler.close_connection = True
            return None
        return 200, {}

    fake.answer = answer


def test_lost_answer_of_a_question_is_asked_again(fake):
    break_first(fake)
    with Client(fake.directory) as client:
        client.server_info()
        client.server_info()
    assert [request.method for request in fake.requests] == ["GET", "GET", "GET"]


def test_lost_answer_of_a_change_is_not_repeated(fake):
    break_first(fake)
    with Client(fake.directory) as client:
        client.server_info()
        with pytest.raises(ServerUnavailable) as caught:
            client.create_job({"name": "x"})
        assert (caught.value.code, caught.value.sent) == ("HQ_E_SERVER_GONE", True)
        client.server_info()
    assert [request.method for request in fake.requests] == ["GET", "POST", "GET"]


def test_interrupted_request_does_not_leave_its_answer_to_the_next(fake, monkeypatch):
    with Client(fake.directory) as client:
        client.server_info()
        connection = client._connection
        monkeypatch.setattr(connection, "getresponse", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            client.job(1)
        fake.answer = lambda request: (200, {"path": request.path})
        assert client.job(2) == {"path": "/v1/jobs/2"}


def test_import_loads_nothing():
    code = "import hq_bridge, sys, json; print(json.dumps([m for m in sys.modules if m.startswith('hq_bridge.')]))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == []


def send_output(request, pieces, complete=True):
    request.handler.send_response(200)
    request.handler.send_header("Transfer-Encoding", "chunked")
    request.handler.send_header("Connection", "close")
    request.handler.end_headers()
    for piece in pieces:
        request.handler.chunk(piece)
    if complete:
        request.handler.wfile.write(b"0\r\n\r\n")


def test_output_of_a_task(fake):
    fake.answer = lambda request: send_output(request, ["one ", "two"])
    with Client(fake.directory) as client:
        assert b"".join(client.task_output(3, 0)) == b"one two"
        assert b"".join(client.task_output(3, 1, "stderr", follow=True, tail=0)) == b"one two"
    assert [request.path for request in fake.requests] == [
        "/v1/jobs/3/tasks/0/output/stdout",
        "/v1/jobs/3/tasks/1/output/stderr?follow=true&tail=0",
    ]


def test_output_that_was_cut_off_is_no_end(fake):
    fake.answer = lambda request: send_output(request, ["half"], complete=False)
    with Client(fake.directory) as client:
        pieces = client.task_output(3, 0)
        assert next(pieces) == b"half"
        with pytest.raises(ServerUnavailable) as caught:
            next(pieces)
    assert caught.value.code == "HQ_E_SERVER_GONE"


def test_no_output_is_refused_at_the_call(fake):
    error = {"code": "HQ_E_LOG", "message": "it has no output", "hint": "", "data": {}}
    fake.answer = lambda _request: (404, {"error": error})
    with Client(fake.directory) as client, pytest.raises(HqError) as caught:
        client.task_output(3, 0)
    assert (caught.value.code, caught.value.message) == ("HQ_E_LOG", "it has no output")
