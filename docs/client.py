"""Solves one problem on a running `kot serve`: `python docs/client.py "1 1 11 11"`."""

import sys

import grpc

from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2 import SolveRequest
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

problem, target = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "localhost:50051"
with grpc.insecure_channel(target) as channel:
    for message in OrchestratorServiceStub(channel).Solve(SolveRequest(problem=problem), timeout=120):
        print(message.result.answer if message.HasField("result") else f"{message.progress.nodes} thoughts")
