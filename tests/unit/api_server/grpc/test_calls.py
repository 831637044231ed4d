"""What a call says as a request, and what goes wrong as a status."""

from __future__ import annotations

import json
import subprocess
import sys
from http import HTTPStatus

import grpc

from appliance.api_server.grpc.calls import CODES, MOST_PROBLEM, _short
from appliance.api_server.problems import known_codes


def test_each_status_that_problems_come_with_has_its_code() -> None:
    told = {CODES.get(HTTPStatus(status), grpc.StatusCode.UNKNOWN) for status in known_codes()}
    assert told >= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT}
    assert CODES[HTTPStatus.TOO_MANY_REQUESTS] is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_problem_fits_into_metadata() -> None:
    long = {"code": "Invalid", "detail": "a" * MOST_PROBLEM, "problems": [{}] * 20}
    assert json.loads(_short(long)) == {"code": "Invalid"}
    assert json.loads(_short({"code": "Invalid", "problems": []})) == {"code": "Invalid", "problems": []}


def test_the_library_is_not_there_where_nobody_asked_for_it() -> None:
    said = "import sys, appliance.api_server.serving; sys.exit('grpc' in sys.modules or 'google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said]).returncode == 0
