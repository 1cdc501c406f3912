"""What this project asks of its manifests: one function a rule, which yields what is wrong with a build."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from known import DEFAULTS, IMAGES_OF_OTHERS, LABELS, SECRET_SETTINGS, SECRETS, image_of, setting_errors
from manifests import NAME, Manifests, Pod, rule, seconds

WORKERS = ("generator", "evaluator", "validator")
LONGEST_SECONDS = 600
"""`max-revision-timeout-seconds` of Knative."""
DRAIN_SECONDS = 90
"""What a pod has to end, at most, when Knative scales down."""
AFTER_DRAIN_SECONDS = 15
"""Calls that outlast the draining are cancelled, spans are flushed, stores are closed."""
QUEUE_PROXY = {"requests.cpu": Decimal("0.025"), "requests.memory": Decimal(64 * 2**20)}
"""What Knative's container asks for beside ours: its default, and that of our LimitRange."""

# Time limits.


@rule
def keeps_time_limits_in_order(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        whole, first = pod.spec.get("timeoutSeconds"), pod.spec.get("responseStartTimeoutSeconds")
        if whole is None or first is None:
            yield f"{name} leaves its timeouts to the cluster"
        elif not first <= whole <= LONGEST_SECONDS:
            yield f"{name}: {first} s to the first byte, {whole} s at most, of {LONGEST_SECONDS} that Knative allows"
        drain = float(built.environment(pod).get("KOT_DRAIN_SECONDS", DEFAULTS["KOT_DRAIN_SECONDS"]))
        if drain + AFTER_DRAIN_SECONDS > min(DRAIN_SECONDS, whole or DRAIN_SECONDS):
            yield f"{name}: it drains for {drain:g} s"
    if "orchestrator" not in built.revisions:
        return
    settings = DEFAULTS | built.environment(built.revisions["orchestrator"])
    call, cold = float(settings["KOT_STAGE_TIMEOUT"]), float(settings["KOT_COLD_START_TIMEOUT"])
    for name in WORKERS:
        limit = built.revisions[name].spec.get("timeoutSeconds", 0)
        if call + cold >= limit:
            yield f"{name}: {cold:g} s to wake up and {call:g} s to answer, in {limit} s"
        asked = float((DEFAULTS | built.environment(built.revisions[name]))["KOT_MODEL_TIMEOUT"])
        if name != "generator" and asked > call:
            yield f"{name} waits {asked:g} s for a model, in a call of {call:g} s"


@rule
def lets_a_gpu_start_slowly(built: Manifests) -> Iterator[str]:
    for name, pod in built.revisions.items():
        container = pod.containers[0]
        if "nvidia.com/gpu" not in container["resources"].get("limits", {}):
            continue
        probe = container.get("startupProbe")
        if probe is None:
            yield f"{name} has a GPU and no startupProbe"
            continue
        patience = probe["periodSeconds"] * probe["failureThreshold"]
        if (seconds(pod.annotations.get("serving.knative.dev/progress-deadline", "10m")) or 0) <= patience:
            yield f"{name}: Knative gives it up before the {patience} s of its startupProbe are over"
        if not container["readinessProbe"].get("periodSeconds"):
            yield f"{name}: queue-proxy asks every 50 ms while weights are loaded"
        if pod.scale("target-burst-capacity") != "-1":
            yield f"{name}: the activator leaves the path"


# Settings.


@rule
def has_settings_that_exist(built: Manifests) -> Iterator[str]:
    for pod in built.pods:
        if pod.ours:
            yield from (f"{pod.name}: {error}" for error in setting_errors(built.environment(pod)))


@rule
def repeats_defaults_as_they_are(built: Manifests) -> Iterator[str]:
    for name, data in built.config_maps.items():
        if name.startswith("defaults-"):
            for setting, value in data.items():
                default = DEFAULTS.get(setting)
                if str(default) != value and not (isinstance(default, float) and float(value) == default):
                    yield f"{setting} is {default} by default, not {value}"
    for name, pod in built.revisions.items():
        if (port := pod.containers[0]["ports"][0]["containerPort"]) != DEFAULTS["PORT"]:
            yield f"{name}: it listens on {DEFAULTS['PORT']} by default, not on {port}"


@rule
def has_a_place_for_each_solve(built: Manifests) -> Iterator[str]:
    pod = built.revisions["orchestrator"]
    places = pod.spec.get("containerConcurrency", 0)
    solves = int((DEFAULTS | built.environment(pod))["KOT_MAX_SOLVES"])
    if 0 < places < solves or float(pod.scale("target") or 0) > solves:
        yield f"{places} places, a target of {pod.scale('target')}, and {solves} solves"


@rule
def shares_state_between_orchestrators(built: Manifests) -> Iterator[str]:
    pod = built.revisions["orchestrator"]
    settings = DEFAULTS | built.environment(pod)
    if (settings["KOT_LOG"] != "redis" or settings["KOT_BUS"] != "redis") and pod.scale("max-scale") != "1":
        yield f"up to {pod.scale('max-scale')} orchestrators with a log in {settings['KOT_LOG']}"
    if "sqlite" in (settings["KOT_LOG"], settings["KOT_TREE"]):
        yield "a file in a pod is gone with the pod"
    cache = built.environment(built.revisions["generator"])
    if settings["KOT_LOG"] == cache["KOT_CACHE"] == "redis" and settings["KOT_REDIS_URL"] == cache["KOT_REDIS_URL"]:
        yield "the cache fills the Redis of the log, which refuses then"
    for made in built.of("StatefulSet"):
        said = " ".join(made["spec"]["template"]["spec"]["containers"][0].get("args", []))
        for wanted in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
            if made["metadata"]["name"] == "redis" and wanted not in said:
                yield f"redis is not told {wanted}"
        if not made["spec"].get("volumeClaimTemplates"):
            yield f"{made['metadata']['name']} has no storage"


# What is named is there.


@rule
def names_what_is_there(built: Manifests) -> Iterator[str]:
    accounts = built.names("ServiceAccount")
    for pod in built.pods:
        if pod.kind == "Revision" and pod.spec.get("serviceAccountName") not in accounts:
            yield f"{pod.name}: no ServiceAccount {pod.spec.get('serviceAccountName')}"
        yield from (
            f"{pod.name}: no {kind} {name}" for kind, name in references(pod) if name not in _there(built, kind)
        )
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])}
        if pod.kind == "StatefulSet":
            volumes.add("data")
        mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", [])}
        if volumes != mounted:
            yield f"{pod.name}: volumes {sorted(volumes)}, mounted {sorted(mounted)}"
    for mapping in built.of("DomainMapping"):
        if mapping["spec"]["ref"]["name"] not in built.services:
            yield f"{mapping['metadata']['name']} leads to no Service"
        if (secret := mapping["spec"].get("tls", {}).get("secretName")) not in SECRETS:
            yield f"{mapping['metadata']['name']}: README.md knows no Secret {secret}"


def references(pod: Pod) -> Iterator[tuple[str, str]]:
    """What a pod cannot start without: kind and name; of a Secret, `NAME/KEY`."""
    for volume in pod.spec.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for container in pod.containers:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]
        for variable in container.get("env", []):
            if secret := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield "Secret", f"{secret['name']}/{secret['key']}"


def _there(built: Manifests, kind: str) -> set[str]:
    return SECRETS if kind == "Secret" else built.names(kind)


@rule
def calls_what_is_there(built: Manifests) -> Iterator[str]:
    routes = {f"{name}.kube-of-thoughts.svc.cluster.local:80" for name in built.services}
    inside = {
        f"{made['metadata']['name']}:{port['port']}"
        for made in built.of("Service", "v1")
        for port in made["spec"]["ports"]
    }
    for name, pod in built.revisions.items():
        for setting, value in built.environment(pod).items():
            if setting.endswith("_TARGET") and value not in routes:
                yield f"{name}: {setting} is no route: {value}"
            address = re.fullmatch(r"\w+://([^/]+)(/.*)?", value)
            if address and address[1] not in inside:
                yield f"{name}: {setting} is nowhere: {value}"


@rule
def serves_the_model_that_is_fetched(built: Manifests) -> Iterator[str]:
    served = built.environment(built.revisions["generator"]).get("KOT_VLLM_MODEL", "")
    for pod in built.pods:
        fetched = built.environment(pod).get("FOLDER")
        if fetched is not None and fetched != served:
            yield f"{pod.name} puts the model into {fetched}; the generator looks into {served}"


@rule
def selects_what_is_there(built: Manifests) -> Iterator[str]:
    labels = {pod.labels.get(NAME) for pod in built.pods}
    for pod in built.pods:
        if pod.labels.get(NAME) != pod.name:
            yield f"{pod.name}: its pods are called {pod.labels.get(NAME)}"
    for made in built.of("Service", "v1"):
        if (wanted := made["spec"]["selector"][NAME]) not in labels:
            yield f"Service {made['metadata']['name']} selects {wanted}"
    for policy in built.of("NetworkPolicy"):
        for wanted in _selected(policy["spec"]):
            # Of a component that is not in this build, perhaps.
            if wanted not in LABELS:
                yield f"NetworkPolicy {policy['metadata']['name']} selects {wanted}"


def _selected(value: object) -> Iterator[str]:
    """The names in all selectors of pods of a policy."""
    if isinstance(value, Mapping):
        if NAME in value:
            yield value[NAME]
        if value.get("key") == NAME:
            yield from value["values"]
        for inner in value.values():
            yield from _selected(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _selected(inner)


@rule
def uses_images_that_are_made(built: Manifests) -> Iterator[str]:
    versions = set()
    for pod, container in built.containers:
        dockerfile, tag = image_of(image := container["image"])
        if not tag or tag == "latest":
            yield f"{pod.name}: {image} may be another one tomorrow"
        if dockerfile is None:
            if image not in IMAGES_OF_OTHERS:
                yield f"{pod.name}: {image} is not that of compose.yaml"
            continue
        versions |= set() if tag.startswith("sha256:") else {tag}
        if not dockerfile.exists():
            yield f"{pod.name}: nothing makes {image}"
            continue
        user = "{runAsUser}:{runAsGroup}".format(
            **{"runAsUser": None, "runAsGroup": None, **container["securityContext"]}
        )
        if f"USER {user}\n" not in dockerfile.read_text():
            yield f"{pod.name} runs as {user}, its image as another"
    if len(versions) > 1:
        yield f"images of ours have the versions {sorted(versions)}"


# Safety.


@rule
def runs_with_least_rights(built: Manifests) -> Iterator[str]:
    for pod in built.pods:
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name} has a token of Kubernetes"
        for container in pod.containers:
            has = container.get("securityContext", {})
            wanted = {
                "runAsNonRoot": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
                # Its image writes into its own folders when it starts.
                "readOnlyRootFilesystem": pod.name != "neo4j",
            }
            yield from (
                f"{pod.name}: {key} is {has.get(key)}" for key, value in wanted.items() if has.get(key) != value
            )
            if has.get("runAsUser", 0) == 0:
                yield f"{pod.name} says no user"
            if pod.ours and "/tmp" not in {mount["mountPath"] for mount in container.get("volumeMounts", [])}:
                yield f"{pod.name} has no /tmp"


@rule
def gives_few_rights(built: Manifests) -> Iterator[str]:
    for account in built.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {account['metadata']['name']} gives its token away"
    for role in built.of("Role"):
        for rights in role["rules"]:
            said = {*rights["apiGroups"], *rights["resources"], *rights["verbs"]}
            if said & {"*", "secrets", "pods/exec", "pods/attach", "delete", "deletecollection", "escalate", "bind"}:
                yield f"Role {role['metadata']['name']}: {rights}"
    for kind in ("ClusterRole", "ClusterRoleBinding", "RoleBinding"):
        yield from (f"{kind} {name} gives rights that nothing here needs" for name in built.names(kind))


@rule
def keeps_secrets_out(built: Manifests) -> Iterator[str]:
    yield from (f"Secret {name} is committed" for name in built.names("Secret"))
    for pod in built.pods:
        for secret in SECRET_SETTINGS & built.environment(pod).keys():
            yield f"{pod.name}: {secret} is for all to read"


@rule
def is_reached_by_those_who_may(built: Manifests) -> Iterator[str]:
    for name in WORKERS:
        if (
            built.services[name]["metadata"].get("labels", {}).get("networking.knative.dev/visibility")
            != "cluster-local"
        ):
            yield f"{name} is open to the world"
    for made in built.of("Service", "v1"):
        if made["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"Service {made['metadata']['name']} is a {made['spec']['type']}"
    for made in built.documents:
        if made["kind"] != "Namespace" and made["metadata"].get("namespace") != "kube-of-thoughts":
            yield f"{made['kind']} {made['metadata']['name']} is in {made['metadata'].get('namespace')}"


# Size.

_UNITS = {"": 1, "m": Decimal("0.001"), "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def quantity(text: str) -> Decimal:
    """A quantity of Kubernetes, in cores or bytes."""
    number, unit = re.fullmatch(r"([\d.]+)([a-zA-Z]*)", text).groups()
    return Decimal(number) * _UNITS[unit]


@rule
def says_what_it_takes(built: Manifests) -> Iterator[str]:
    for pod in built.pods:
        for container in pod.containers:
            has = container.get("resources", {})
            if not {"cpu", "memory"} <= has.get("requests", {}).keys() or "memory" not in has.get("limits", {}):
                yield f"{pod.name} does not say what it takes"
            elif quantity(has["requests"]["memory"]) > quantity(has["limits"]["memory"]):
                yield f"{pod.name} asks for more memory than it may have"
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{pod.name}: {volume['name']} has no end"


@rule
def fits_the_quota(built: Manifests) -> Iterator[str]:
    needed: Counter[str] = Counter()
    for pod in built.pods:
        revision = pod.kind == "Revision"
        times = int(pod.scale("max-scale") or 0) if revision else 1
        needed["pods"] += times
        has = pod.containers[0].get("resources", {})
        for resource in ("cpu", "memory"):
            beside = QUEUE_PROXY[f"requests.{resource}"] if revision else 0
            needed[f"requests.{resource}"] += times * (quantity(has.get("requests", {}).get(resource, "0")) + beside)
        needed["requests.nvidia.com/gpu"] += times * int(has.get("limits", {}).get("nvidia.com/gpu", 0))
    for quota in built.of("ResourceQuota"):
        for what, needs in needed.items():
            if needs > quantity(quota["spec"]["hard"][what]):
                yield f"all pods together need {needs:f} of {what}"


# Releases.


@rule
def calls_workers_of_its_release(built: Manifests) -> Iterator[str]:
    orchestrator = built.services["orchestrator"]
    release = built.environment(built.revisions["orchestrator"]).get("KOT_RELEASE", "")
    if not release:
        return
    for name in ("orchestrator", *WORKERS):
        service = built.services[name]
        tags = {part.get("tag"): part.get("revisionName") for part in service["spec"].get("traffic", [])}
        if tags.get(release) != f"{name}-{release}":
            yield f"{name} has no {release} under the tag {release}"
        if service["spec"]["template"]["metadata"].get("name") != f"{name}-{release}":
            yield f"{name}: its revision is not called {name}-{release}"
        if tags.keys() != {part.get("tag") for part in orchestrator["spec"].get("traffic", [])}:
            yield f"{name} and the orchestrator have other releases"
