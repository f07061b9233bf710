"""Asks a coordinator from Python. The script knows the service by reflection alone.

Usage: ask.py HOST:PORT TOP          Needs `pip install grpcio-reflection`.
"""
import json
import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main(address, top):
    channel = grpc.insecure_channel(address)
    described = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(described)

    def call(name, method, **fields):
        method = pool.FindServiceByName(name).FindMethodByName(method)
        request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        ask = channel.unary_unary(
            f"/{name}/{method.name}",
            request_serializer=request.SerializeToString,
            response_deserializer=reply.FromString,
        )
        return MessageToDict(ask(request(**fields)))

    health = call("grpc.health.v1.Health", "Check", service="nrp.v1.Sweeps")
    best = call("nrp.v1.Sweeps", "Best", top=int(top))
    print(json.dumps({"services": sorted(described.get_services()), "health": health, "best": best}))


main(*sys.argv[1:])
