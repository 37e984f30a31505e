"""Terraform providers that know what their resources look like, and do nothing.

Terraform's own providers cannot be had from the package registries, but their schemas can: the CDK for Terraform ships them as
TypeScript (@cdktf/provider-aws). From these a provider is made that speaks protocol 6, so that `terraform validate`, `plan` and
`test` check every argument's and block's name and type. What they cannot check is what only AWS knows: values.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from concurrent import futures
from pathlib import Path

import grpc
import msgpack

# The part of Terraform's plugin protocol 6 that is used here.
PROTOCOL = """
syntax = "proto3";
package tfplugin6;
message DynamicValue { bytes msgpack = 1; bytes json = 2; }
message Diagnostic { int32 severity = 1; string summary = 2; string detail = 3; }
message Schema {
  message Block { int64 version = 1; repeated Attribute attributes = 2; repeated NestedBlock block_types = 3; }
  message Attribute { string name = 1; bytes type = 2; bool required = 4; bool optional = 5; bool computed = 6; }
  message NestedBlock { string type_name = 1; Block block = 2; int32 nesting = 3; int64 min_items = 4; int64 max_items = 5; }
  int64 version = 1;
  Block block = 2;
}
message Empty {}
message Schemas { Schema provider = 1; map<string, Schema> resource_schemas = 2; map<string, Schema> data_source_schemas = 3; }
message Config { DynamicValue config = 1; }
message TypedConfig { string type_name = 1; DynamicValue config = 2; }
message Diagnostics1 { repeated Diagnostic diagnostics = 1; }
message Diagnostics2 { repeated Diagnostic diagnostics = 2; }
message State { DynamicValue state = 1; }
message Read { string type_name = 1; DynamicValue current_state = 2; }
message Plan { string type_name = 1; DynamicValue prior_state = 2; DynamicValue proposed_new_state = 3; DynamicValue config = 4; }
message Planned { DynamicValue planned_state = 1; }
message Apply { string type_name = 1; DynamicValue prior_state = 2; DynamicValue planned_state = 3; }
"""

# What a real provider says of the place.
KNOWN = {
    "aws_region": {"region": "eu-central-1"},
    "aws_partition": {"partition": "aws"},
    "aws_dynamodb_table": {"arn": "arn:aws:dynamodb:eu-central-1:123456789012:table/delta_log"},
}
UNKNOWN = msgpack.ExtType(0, b"\x00")
TYPES = {
    "string": "string",
    "number": "number",
    "boolean | cdktf.IResolvable": "bool",
    "cdktf.IResolvable": "bool",
    "string[]": ["list", "string"],
    "number[]": ["list", "number"],
    "{ [key: string]: string; }": ["map", "string"],
    "cdktf.StringMap": ["map", "string"],
}


class Types:
    """The TypeScript interfaces of one resource."""

    def __init__(self, folder, protocol):
        self.protocol = protocol
        self.text = "".join(path.read_text() for path in sorted(folder.glob("*.d.ts")))
        code = "".join(path.read_text() for path in sorted(folder.glob("*.js")))
        self.names = dict(re.findall(r"get (\w+)\(\) \{\s+return this\.get\w+Attribute\('(\w+)'\)", code))
        self.interfaces = dict(re.findall(r"export interface (\w+) (?:extends [\w.]+ )?\{\n(.*?)\n\}", self.text, re.S))

    def resource(self):
        [(name, body)] = re.findall(r"export declare class (\w+) extends cdktf\.Terraform\w+ \{\n(.*?)\n\}", self.text, re.S)
        block = self.block(f"{name}Config")
        given = {attribute.name for attribute in block.attributes} | {nested.type_name for nested in block.block_types}
        # What only the provider knows has a getter and no setting.
        for getter, kind in re.findall(r"^    get (\w+)\(\): ([^;]+);", body, re.M):
            name = self.names.get(getter)
            if name and kind in TYPES and name not in given:
                block.attributes.add(name=name, type=json.dumps(TYPES[kind]).encode(), computed=True)
        return self.protocol.Schema(block=block)

    def block(self, interface):
        block = self.protocol.Schema.Block()
        members = r"/\*\*(.*?)\*/\s+readonly (\w+)(\??): (.*?);\n(?=    /\*\*|\Z)"
        for doc, _, optional, kind in re.findall(members, self.interfaces[interface] + "\n", re.S):
            name = re.search(r"/[\w-]+#(\w+) ", doc)
            if not name:
                continue  # of the CDK itself
            kind = re.sub(r"\s+", " ", kind.strip())
            nested = re.sub(r"(\[\])? \| cdktf\.IResolvable$", "", kind)
            if nested.removesuffix("[]") in self.interfaces:
                several = "[]" in kind
                block.block_types.add(
                    type_name=name[1],
                    block=self.block(nested.removesuffix("[]")),
                    nesting=2,
                    min_items=0 if optional else 1,
                    max_items=0 if several else 1,
                )
            else:
                required = not optional
                block.attributes.add(
                    name=name[1],
                    type=json.dumps(TYPES.get(kind, "dynamic")).encode(),
                    required=required,
                    optional=not required,
                    computed=not required,
                )
        return block


def schemas(protocol, package, terraform_files):
    """Of the resources and data sources that the files name and the package has."""
    found = protocol.Schemas()
    found.provider.block.attributes.add(name="region", type=b'"string"', optional=True)
    for text in terraform_files:
        for keyword, name in re.findall(r'^(resource|data) "(\w+)"', text, re.M):
            folder = f"data-{name}" if keyword == "data" else name.split("_", 1)[1]
            folder = package / "lib" / folder.replace("_", "-")
            if folder.is_dir():
                target = found.data_source_schemas if keyword == "data" else found.resource_schemas
                target[name].CopyFrom(Types(folder, protocol).resource())
    return found


def unpacked(work, npm_name):
    folder = work / npm_name.replace("/", "-").strip("@")
    if not (folder / "package").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", "--silent", npm_name], cwd=folder, check=True, capture_output=True, text=True)
        with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
            archive.extractall(folder, filter="data")
    return folder / "package"


def filled(block, value, put):
    """The value with what the provider would add put in."""
    if value is None:
        return None
    for attribute in block.attributes:
        if attribute.computed and value.get(attribute.name) is None:
            value[attribute.name] = put(attribute)
    for nested in block.block_types:
        for each in value.get(nested.type_name) or []:
            filled(nested.block, each, put)
    return value


def unpack(value):
    return msgpack.unpackb(value.msgpack, ext_hook=msgpack.ExtType, strict_map_key=False)


class Provider:
    def __init__(self, protocol, known_schemas):
        self.protocol, self.schemas = protocol, known_schemas

    def value(self, value):
        return self.protocol.DynamicValue(msgpack=msgpack.packb(value))

    def example(self, type_name):
        def put(attribute):
            kind = json.loads(attribute.type)
            known = KNOWN.get(type_name, {}).get(attribute.name)
            return known or {"string": f"{type_name}.{attribute.name}", "number": 1, "bool": True}.get(kind if isinstance(kind, str) else "", None)

        return put

    def handlers(self):
        p = self.protocol
        resources, data = self.schemas.resource_schemas, self.schemas.data_source_schemas

        def planned(asked):
            proposed = unpack(asked.proposed_new_state)
            return p.Planned(planned_state=self.value(filled(resources[asked.type_name].block, proposed, lambda _: UNKNOWN)))

        def read_data(asked):
            config = unpack(asked.config)
            return p.State(state=self.value(filled(data[asked.type_name].block, config, self.example(asked.type_name))))

        return {
            "GetProviderSchema": (p.Empty, lambda _: self.schemas),
            "ValidateProviderConfig": (p.Config, lambda _: p.Diagnostics2()),
            "ValidateResourceConfig": (p.TypedConfig, lambda _: p.Diagnostics1()),
            "ValidateDataResourceConfig": (p.TypedConfig, lambda _: p.Diagnostics1()),
            "ConfigureProvider": (p.TypedConfig, lambda _: p.Diagnostics1()),
            "PlanResourceChange": (p.Plan, planned),
            "ReadResource": (p.Read, lambda asked: p.State(state=asked.current_state)),
            "ReadDataSource": (p.TypedConfig, read_data),
            "StopProvider": (p.Empty, lambda _: p.Empty()),
        }

    def serve(self):
        """Its port on 127.0.0.1."""
        server = grpc.server(futures.ThreadPoolExecutor(4))
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                lambda asked, _, answer=answer: answer(asked),
                request_deserializer=message.FromString,
                response_serializer=lambda reply: reply.SerializeToString(),
            )
            for name, (message, answer) in self.handlers().items()
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tfplugin6.Provider", methods)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.server = server
        return port


def compiled():
    """The messages of the protocol as Python classes."""
    from grpc_tools import protoc

    folder = Path(tempfile.mkdtemp())
    (folder / "tfplugin6.proto").write_text(PROTOCOL)
    if protoc.main(["protoc", f"-I{folder}", f"--python_out={folder}", str(folder / "tfplugin6.proto")]):
        raise SystemExit("protoc has failed")
    sys.path.insert(0, str(folder))
    import tfplugin6_pb2

    return tfplugin6_pb2


def serve(work, names, terraform_files):
    """Serves the providers of these npm packages, by their Terraform names, and gives the environment in which Terraform uses them."""
    protocol = compiled()
    reattach, kept = {}, []
    for address, npm_name in names.items():
        provider = Provider(protocol, schemas(protocol, unpacked(work, npm_name), terraform_files))
        kept.append(provider)
        reattach[address] = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "tcp", "String": f"127.0.0.1:{provider.serve()}"},
        }
    return {"TF_REATTACH_PROVIDERS": json.dumps(reattach)}, kept
