"""What watches the metrics names only metrics and labels that exist, and what `compose.yaml` wires fits together."""

import importlib.resources
import json
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import jsonschema
import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector
from pydantic_settings import BaseSettings

from services import settings
from services.core.tree import Status
from services.orchestrator.solve import SolveStatus
from services.rpc.history import FAILED
from services.telemetry import metrics, names
from services.telemetry.instruments import METRICS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "observability"
OF_PROMETHEUS = {"up": {"job", "instance"}}
"""What Prometheus itself has."""
ADDED = {"job", "instance"}
"""Labels that Prometheus adds."""


def loaded(name):
    text = (FOLDER / name).read_text()
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


@pytest.fixture(scope="module")
def shown():
    """What a scrape has once everything was counted: names of series, and their labels."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader

    registry = CollectorRegistry()
    counting = metrics.Metrics([PrometheusMetricReader(scope_info_enabled=False, registry=registry)])
    for metric in METRICS:
        counting.add(metric, 1, dict.fromkeys(metric.labels, "some"))
    ProcessCollector(registry=registry)
    found = dict(OF_PROMETHEUS)
    for family in registry.collect():
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, set()) | sample.labels.keys() | ADDED
    counting.close()
    return found


def expressions():
    """Every query of the dashboard and the alerts, by the title that it stands under."""
    for panel in loaded("grafana-dashboard.json")["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['id']} {panel['title']}", target["expr"].replace("$__rate_interval", "5m")
    for group in loaded("alerts.yaml")["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def parts(expression):
    """The series in a query with the labels that it picks them by, and the labels that it groups by."""
    series, grouped = defaultdict(set), set()

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            series[node.name].update(matcher.name for matcher in node.matchers.matchers)
        elif isinstance(node, promql_parser.AggregateExpr):
            grouped.update(node.modifier.labels if node.modifier else ())

    promql_parser.walk(promql_parser.parse(expression), visit)
    return series, grouped


def test_parts_of_a_query_are_found():
    assert parts('sum by (le, a) (rate(x_bucket{b="1"}[5m])) / max(y)') == (
        {"x_bucket": {"b"}, "y": set()},
        {"le", "a"},
    )
    with pytest.raises(ValueError, match="parenthesis"):
        parts("sum by (le")


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_every_query_names_only_metrics_and_labels_that_exist(title, expression, shown):
    series, grouped = parts(expression)
    assert series
    for name, picked in series.items():
        assert name in shown
        assert picked | grouped <= shown[name]


def test_every_metric_is_on_the_dashboard(shown):
    seen = {name for _, expression in expressions() for name in parts(expression)[0]}
    for metric in METRICS:
        name = metric.name.replace(".", "_")
        assert any(each.startswith(name) for each in seen), metric.name


def test_every_metric_is_documented_and_every_documented_one_exists(shown):
    rows = re.findall(r"^\| (`kot_.*)", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(kot_\w+)`", row.partition("|")[0])}
    parts_of_histograms = r"_(bucket|count|sum)$"
    assert documented == {re.sub(parts_of_histograms, "", name) for name in shown if name.startswith("kot_")}


def test_the_dashboard_is_one_that_grafana_takes():
    dashboard = loaded("grafana-dashboard.json")
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
    assert used == variables
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_what_an_alert_says_is_in_what_it_asks():
    for group in loaded("alerts.yaml")["groups"]:
        for rule in group["rules"]:
            kept = parts(rule["expr"])[1] | (ADDED if rule["expr"].startswith("up") else set())
            said = re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))
            assert set(said) <= kept, rule["alert"]
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_the_collector_keeps_solves_by_statuses_that_exist():
    collector = loaded("collector.yaml")
    for pipeline in collector["service"]["pipelines"].values():
        for kind, members in pipeline.items():
            assert set(members) <= collector[kind].keys()
    policies = collector["processors"]["tail_sampling"]["policies"]
    [policy] = [each["string_attribute"] for each in policies if each["type"] == "string_attribute"]
    assert policy["key"] == names.STATUS
    solves = {*SolveStatus, FAILED, "PARKED", "TAKEN_OVER"}
    kept = {status for status in solves if any(re.search(value, status) for value in policy["values"])}
    assert kept == solves - {SolveStatus.SOLVED, SolveStatus.CANCELLED}
    for value in policy["values"]:
        assert any(re.search(value, status) for status in kept)
        assert not any(re.search(value, status) for status in Status)


# --- compose.yaml ---------------------------------------------------------------------------------------------------


def services_of():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def ours():
    """The services that run this code."""
    return {name: each for name, each in services_of().items() if "build" in each}


def schema():
    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    return json.loads(vendored.read_text())


def test_compose_fits_its_schema():
    whole = yaml.safe_load((ROOT / "compose.yaml").read_text())
    jsonschema.validate(whole, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(whole | {"services": {"generator": {"imagee": "python"}}}, schema())


def test_every_setting_in_compose_is_one_of_ours():
    known = {
        str(field.validation_alias or f"KOT_{name.upper()}")
        for topic in vars(settings).values()
        if isinstance(topic, type) and issubclass(topic, BaseSettings)
        for name, field in topic.model_fields.items()
    }
    assert ours().keys() == {"orchestrator", "generator", "evaluator", "validator", "web"}
    for name, each in ours().items():
        assert each["environment"].keys() <= known, name


def test_our_services_are_those_that_are_built_here():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name, each in ours().items():
        assert each["image"] == f"kube-of-thoughts/{name}:{version}"
        assert each["build"] == {"context": ".", "dockerfile": f"services/{name}/Dockerfile"}
        assert (ROOT / each["build"]["dockerfile"]).is_file()
        assert (each["read_only"], each["tmpfs"], each["cap_drop"]) == (True, ["/tmp"], ["ALL"])


def test_every_image_is_pinned_and_every_port_is_for_this_machine_alone():
    for name, each in services_of().items():
        assert re.search(r":v?\d+\.\d+\.\d+[\w.-]*$", each["image"]), name
        for port in each.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_what_is_wired_is_there():
    everyone = services_of()
    environments = {name: each["environment"] for name, each in ours().items()}
    for environment in environments.values():
        for key, value in environment.items():
            if match := re.fullmatch(r"(?:\$\{\w+:-)?(?:\w+://)?([a-z0-9]+):(\d+)(?:/0)?\}?", value):
                host, port = match.groups()
                assert host in everyone, key
                if host in environments:
                    assert environments[host]["PORT"] == port, key
    for each in everyone.values():
        for volume in each.get("volumes", ()):
            if volume.startswith("./"):
                assert (ROOT / volume.split(":")[0]).is_file(), volume


def test_prometheus_scrapes_every_service_that_shows_metrics():
    [job] = loaded("prometheus.yaml")["scrape_configs"]
    ports = {name: each["environment"].get("KOT_METRICS_PORT") for name, each in ours().items()}
    assert set(job["static_configs"][0]["targets"]) == {f"{name}:{port}" for name, port in ports.items() if port}
    assert job["job_name"] in [
        matcher for _, expression in expressions() for matcher in re.findall(r'job="([^"]+)"', expression)
    ]
    volumes = services_of()["prometheus"]["volumes"]
    for rules in loaded("prometheus.yaml")["rule_files"]:
        assert any(volume.split(":")[1] == rules for volume in volumes)
