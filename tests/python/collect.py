"""Receives the first traces that are exported to it over OTLP, and prints the names of their spans.

Usage: collect.py HOST:PORT          Needs `pip install grpcio opentelemetry-proto`.
"""
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service

taken = threading.Event()


class Collector(service.TraceServiceServicer):
    def Export(self, request, context):
        for resource in request.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {a.key: a.value.string_value for a in span.attributes}
                    print(names["service.name"], span.name, attributes.get("method"), flush=True)
        taken.set()
        return trace.ExportTraceServiceResponse()


server = grpc.server(ThreadPoolExecutor(1))
service.add_TraceServiceServicer_to_server(Collector(), server)
assert server.add_insecure_port(sys.argv[1])
server.start()
print("ready", flush=True)
taken.wait(60)
server.stop(1).wait()
