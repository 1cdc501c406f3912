"""Has one problem solved, and says what is happening: `solve.py HOST:PORT PROBLEM`. Exit code 0 only for an answer."""

import sys

import grpc

from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2 import SolveRequest
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

target, problem = sys.argv[1:]
answer = ""
with grpc.insecure_channel(target) as channel:
    # As long as Knative lets a call be; the orchestrator itself may have to wake up first.
    for message in OrchestratorServiceStub(channel).Solve(
        SolveRequest(problem=problem), timeout=590, wait_for_ready=True
    ):
        event = message.WhichOneof("event")
        print(event, "" if event == "thoughts" else getattr(message, event), flush=True)
        answer = message.result.answer
sys.exit(0 if answer else f"no answer to {problem}")
