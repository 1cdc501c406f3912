"""Mistakes that were made on purpose: each in a build that is right without it, with the rule that has to find it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from manifests import AUTOSCALING, NAME, SERVING

Build = Sequence[dict]


@dataclass(frozen=True)
class Mistake:
    """A mistake: what it is, in which overlay, how it is made, and who finds it."""

    name: str
    found_by: str
    make: Callable[[list[dict]], Any]
    overlay: str = "production"

    def made_in(self, build: Build) -> list[dict]:
        """The build with the mistake."""
        changed = copy.deepcopy(list(build))
        self.make(changed)
        return changed


def one(build: Build, kind: str, name: str) -> dict:
    """The document of a kind and name; Knative's Service goes before Kubernetes' own."""
    found = [made for made in build if made["kind"] == kind and made["metadata"]["name"].startswith(name)]
    return max(found, key=lambda made: made["apiVersion"].startswith(SERVING))


def spec(build: Build, name: str) -> dict:
    """What a Knative Service's pods are."""
    return one(build, "Service", name)["spec"]["template"]["spec"]


def container(build: Build, name: str) -> dict:
    return spec(build, name)["containers"][0]


def annotate(name: str, key: str, value: object) -> Callable[[list[dict]], None]:
    """Set an annotation of a Knative Service's template."""

    def make(build: list[dict]) -> None:
        one(build, "Service", name)["spec"]["template"]["metadata"]["annotations"][key] = value

    return make


def scale(name: str, key: str, value: object) -> Callable[[list[dict]], None]:
    return annotate(name, AUTOSCALING + key, value)


def set_environment(name: str, variable: str, value: str) -> Callable[[list[dict]], None]:
    return lambda build: container(build, name)["env"].append({"name": variable, "value": value})


def set_config(config_map: str, variable: str, value: str) -> Callable[[list[dict]], None]:
    return lambda build: one(build, "ConfigMap", config_map)["data"].update({variable: value})


def replica(kind: str, name: str) -> Callable[[list[dict]], dict]:
    """Give a workload's pod template, to be changed."""
    return lambda build: one(build, kind, name)["spec"]["template"]["spec"]


def remove(kind: str, name: str) -> Callable[[list[dict]], None]:
    return lambda build: build.remove(one(build, kind, name))


def peers_of(build: Build, policy: str) -> list[dict]:
    """Whom a network policy lets in."""
    return one(build, "NetworkPolicy", policy)["spec"]["ingress"][0]["from"]


def add(**document: object) -> Callable[[list[dict]], None]:
    return lambda build: build.append({**document})


ELSEWHERE = {"name": "more", "namespace": "kube-of-thoughts"}

MISTAKES = [
    # Schemas.
    Mistake(
        "a misspelt field of a container",
        "fits_schema",
        lambda build: container(build, "orchestrator").update(enviroment=[]),
    ),
    Mistake(
        "a preStop hook",
        "fits_schema",
        lambda build: container(build, "evaluator").update(lifecycle={"preStop": {"exec": {"command": ["sleep"]}}}),
    ),
    Mistake(
        "a grace period of our own",
        "fits_schema",
        lambda build: spec(build, "validator").update(terminationGracePeriodSeconds=120),
    ),
    Mistake("an annotation that is a number", "fits_schema", scale("evaluator", "max-scale", 5)),
    Mistake(
        "a port that is text",
        "fits_schema",
        lambda build: container(build, "page")["ports"][0].update(containerPort="8080"),
    ),
    Mistake(
        "a misspelt field of a toleration, in what Knative's own schema leaves open",
        "fits_schema",
        lambda build: spec(build, "generator")["tolerations"][0].update(effects="NoSchedule"),
    ),
    Mistake(
        "a misspelt field of a StatefulSet",
        "fits_schema",
        lambda build: one(build, "StatefulSet", "redis")["spec"].update(replica=1),
    ),
    Mistake(
        "a limit that is a list",
        "fits_schema",
        lambda build: container(build, "generator")["resources"].update(limits=["nvidia.com/gpu"]),
    ),
    Mistake(
        "a kind that no API server knows",
        "fits_schema",
        add(apiVersion="serving.knative.dev/v2", kind="Service", metadata=ELSEWHERE, spec={"template": {}}),
    ),
    Mistake("a document twice", "is_there_once", lambda build: build.append(one(build, "ServiceAccount", "page"))),
    # Knative's webhook.
    Mistake(
        "two ports",
        "has_one_port",
        lambda build: container(build, "generator")["ports"].append({"name": "http1", "containerPort": 9464}),
    ),
    Mistake(
        "a port called grpc",
        "has_one_port",
        lambda build: container(build, "generator")["ports"][0].update(name="grpc"),
    ),
    Mistake(
        "the port of queue-proxy",
        "has_one_port",
        lambda build: container(build, "evaluator")["ports"][0].update(containerPort=8012),
    ),
    Mistake("PORT set", "leaves_knatives_names_alone", set_environment("orchestrator", "PORT", "8080")),
    Mistake("K_REVISION in a ConfigMap", "leaves_knatives_names_alone", set_config("judges", "K_REVISION", "v1")),
    Mistake(
        "a volume over /dev",
        "leaves_knatives_names_alone",
        lambda build: container(build, "generator")["volumeMounts"][-1].update(mountPath="/dev/"),
    ),
    Mistake(
        "metrics on queue-proxy's port",
        "listens_where_nobody_else_does",
        set_config("generator", "KOT_METRICS_PORT", "9090"),
    ),
    Mistake(
        "an annotation in the old spelling",
        "has_annotations_that_knative_knows",
        scale("generator", "maxScale", "4"),
    ),
    Mistake(
        "a burst capacity below -1",
        "has_annotations_that_knative_knows",
        scale("generator", "target-burst-capacity", "-2"),
    ),
    Mistake("a window of 2 s", "has_annotations_that_knative_knows", scale("evaluator", "window", "2s")),
    Mistake("a metric that is the HPA's", "has_annotations_that_knative_knows", scale("evaluator", "metric", "cpu")),
    Mistake(
        "a deadline without a unit",
        "has_annotations_that_knative_knows",
        annotate("generator", f"{SERVING}progress-deadline", "1200"),
    ),
    Mistake(
        "an annotation of scaling on the Service itself",
        "has_annotations_that_knative_knows",
        lambda build: one(build, "Service", "page")["metadata"].update(annotations={f"{AUTOSCALING}min-scale": "1"}),
    ),
    Mistake("min-scale above max-scale", "scales_within_bounds", scale("validator", "min-scale", "6")),
    Mistake("no bound to scaling", "scales_within_bounds", scale("evaluator", "max-scale", "0")),
    Mistake(
        "more places than Knative gives",
        "scales_within_bounds",
        lambda build: spec(build, "page").update(containerConcurrency=1001),
    ),
    Mistake("a target above the places", "scales_within_bounds", scale("generator", "target", "101")),
    Mistake(
        "an init container, which is not switched on",
        "uses_what_is_switched_on",
        lambda build: spec(build, "generator").update(initContainers=[{"name": "fetch", "image": "x:1"}]),
    ),
    Mistake(
        "a security context of the pod, which is not switched on",
        "uses_what_is_switched_on",
        lambda build: spec(build, "page").update(securityContext={"runAsNonRoot": True}),
    ),
    Mistake(
        "a claim that is written to",
        "uses_what_is_switched_on",
        lambda build: spec(build, "generator")["volumes"][1]["persistentVolumeClaim"].pop("readOnly"),
    ),
    Mistake(
        "a probe over HTTP of a gRPC server",
        "has_probes_that_knative_allows",
        lambda build: container(build, "evaluator").update(readinessProbe={"httpGet": {"path": "/", "port": 8080}}),
    ),
    Mistake(
        "a probe of another port",
        "has_probes_that_knative_allows",
        lambda build: container(build, "validator")["livenessProbe"]["grpc"].update(port=50051),
    ),
    Mistake(
        "a threshold without a period",
        "has_probes_that_knative_allows",
        lambda build: container(build, "orchestrator")["readinessProbe"].update(failureThreshold=3),
    ),
    Mistake(
        "traffic of 110 %",
        "splits_traffic_wholly",
        lambda build: one(build, "Service", "orchestrator")["spec"]["traffic"][1].update(percent=20),
        "canary",
    ),
    Mistake(
        "two revisions with one tag",
        "splits_traffic_wholly",
        lambda build: one(build, "Service", "evaluator")["spec"]["traffic"][1].update(tag="r1"),
        "canary",
    ),
    Mistake(
        "a revision without its service's name",
        "splits_traffic_wholly",
        lambda build: one(build, "Service", "generator")["spec"]["template"]["metadata"].update(name="r1"),
    ),
    # Time limits.
    Mistake(
        "a timeout of 15 minutes",
        "keeps_time_limits_in_order",
        lambda build: spec(build, "orchestrator").update(timeoutSeconds=900),
    ),
    Mistake(
        "a first byte after the end",
        "keeps_time_limits_in_order",
        lambda build: spec(build, "page").update(responseStartTimeoutSeconds=601),
    ),
    Mistake(
        "a first byte left to the cluster",
        "keeps_time_limits_in_order",
        lambda build: spec(build, "generator").pop("responseStartTimeoutSeconds"),
    ),
    Mistake(
        "a stage that is given longer than Knative gives it",
        "keeps_time_limits_in_order",
        set_config("orchestrator", "KOT_STAGE_TIMEOUT", "150"),
    ),
    Mistake("draining for two minutes", "keeps_time_limits_in_order", set_config("judges", "KOT_DRAIN_SECONDS", "120")),
    Mistake(
        "a model waited for longer than the call lasts",
        "keeps_time_limits_in_order",
        set_config("judges", "KOT_MODEL_TIMEOUT", "56"),
    ),
    Mistake(
        "a GPU that Knative gives up while weights are loaded",
        "lets_a_gpu_start_slowly",
        annotate("generator", f"{SERVING}progress-deadline", "10m"),
    ),
    Mistake(
        "a GPU without a startup probe",
        "lets_a_gpu_start_slowly",
        lambda build: container(build, "generator").pop("startupProbe"),
    ),
    # Settings.
    Mistake("a setting that does not exist", "has_settings_that_exist", set_config("generator", "KOT_VLMM_MODEL", "x")),
    Mistake(
        "a value that is no such setting's", "has_settings_that_exist", set_config("generator", "KOT_VLLM_MEMORY", "90")
    ),
    Mistake(
        "another default than the code's",
        "repeats_defaults_as_they_are",
        set_config("defaults", "KOT_DRAIN_SECONDS", "50"),
    ),
    Mistake(
        "another port than the code's",
        "repeats_defaults_as_they_are",
        lambda build: container(build, "page")["ports"][0].update(containerPort=8081),
    ),
    Mistake(
        "fewer places than solves", "has_a_place_for_each_solve", set_config("orchestrator", "KOT_MAX_SOLVES", "1000")
    ),
    Mistake(
        "two orchestrators with logs of their own",
        "shares_state_between_orchestrators",
        scale("orchestrator", "max-scale", "2"),
        "local",
    ),
    Mistake(
        "a log in a file",
        "shares_state_between_orchestrators",
        set_config("orchestrator", "KOT_LOG", "sqlite"),
        "local",
    ),
    Mistake(
        "a Redis that forgets",
        "shares_state_between_orchestrators",
        lambda build: replica("StatefulSet", "redis")(build)["containers"][0]["args"].remove("always"),
    ),
    Mistake(
        "a cache that fills the Redis of the log",
        "shares_state_between_orchestrators",
        set_config("generator", "KOT_REDIS_URL", "redis://redis:6379/0"),
    ),
    Mistake(
        "a Neo4j without storage",
        "shares_state_between_orchestrators",
        lambda build: one(build, "StatefulSet", "neo4j")["spec"].pop("volumeClaimTemplates"),
    ),
    # What is named is there.
    Mistake(
        "a ConfigMap that is not there",
        "names_what_is_there",
        lambda build: container(build, "page")["envFrom"][1]["configMapRef"].update(name="page"),
    ),
    Mistake(
        "an account that is not there",
        "names_what_is_there",
        lambda build: spec(build, "page").update(serviceAccountName="web"),
    ),
    Mistake(
        "a Secret that README does not know",
        "names_what_is_there",
        lambda build: container(build, "generator")["env"].append(
            {"name": "KOT_OPENAI_API_KEY", "valueFrom": {"secretKeyRef": {"name": "openai", "key": "key"}}}
        ),
    ),
    Mistake(
        "a claim that is not there",
        "names_what_is_there",
        lambda build: spec(build, "generator")["volumes"][1]["persistentVolumeClaim"].update(claimName="model"),
    ),
    Mistake(
        "a model in another folder than where it is fetched to",
        "serves_the_model_that_is_fetched",
        set_config("generator", "KOT_VLLM_MODEL", "/models/another"),
    ),
    Mistake(
        "a volume that nothing mounts",
        "names_what_is_there",
        lambda build: container(build, "evaluator")["volumeMounts"].pop(),
    ),
    Mistake(
        "a revision's own address",
        "calls_what_is_there",
        set_config("judges", "KOT_MODEL_TARGET", "generator-r1-private:80"),
    ),
    Mistake(
        "a worker's port instead of its route's",
        "calls_what_is_there",
        set_config("orchestrator", "KOT_GENERATOR_TARGET", "generator.kube-of-thoughts.svc.cluster.local:8080"),
    ),
    Mistake(
        "a Redis that is not there",
        "calls_what_is_there",
        set_config("generator", "KOT_REDIS_URL", "redis://memory:6379/0"),
    ),
    Mistake(
        "a policy for pods that nothing makes",
        "selects_what_is_there",
        lambda build: one(build, "NetworkPolicy", "jaeger")["spec"]["podSelector"]["matchLabels"].update(
            {NAME: "yeager"}
        ),
    ),
    Mistake(
        "a Service without pods",
        "selects_what_is_there",
        lambda build: one(build, "Service", "collector")["spec"]["selector"].update({NAME: "otel"}),
    ),
    Mistake(
        "an image without a tag",
        "uses_images_that_are_made",
        lambda build: container(build, "page").update(image="registry.example.com/kube-of-thoughts/web"),
    ),
    Mistake(
        "an image that nothing makes",
        "uses_images_that_are_made",
        lambda build: container(build, "page").update(image="registry.example.com/kube-of-thoughts/page:0.1.0"),
    ),
    Mistake(
        "a user that the image does not know",
        "uses_images_that_are_made",
        lambda build: container(build, "page")["securityContext"].update(runAsUser=1000),
    ),
    Mistake(
        "two versions of our images at once",
        "uses_images_that_are_made",
        lambda build: container(build, "page").update(image="registry.example.com/kube-of-thoughts/web:0.0.9"),
    ),
    Mistake(
        "another Redis than compose.yaml's",
        "uses_images_that_are_made",
        lambda build: replica("StatefulSet", "redis")(build)["containers"][0].update(image="redis:7"),
    ),
    # Network policies.
    Mistake("a Redis that may not be called", "lets_through_what_is_called", remove("NetworkPolicy", "to-redis")),
    Mistake(
        "a cache that generators may not reach",
        "lets_through_what_is_called",
        lambda build: peers_of(build, "cache")[0]["podSelector"]["matchLabels"].update({NAME: "evaluator"}),
    ),
    Mistake(
        "a Neo4j that is let through at another port",
        "lets_through_what_is_called",
        lambda build: one(build, "NetworkPolicy", "neo4j")["spec"]["ingress"][0]["ports"][0].update(port=7474),
    ),
    Mistake(
        "a page that may not call the orchestrator",
        "lets_through_what_is_called",
        lambda build: one(build, "NetworkPolicy", "to-gateway")["spec"]["podSelector"]["matchExpressions"][0][
            "values"
        ].remove("page"),
    ),
    Mistake(
        "a page that may not send its metrics",
        "lets_through_what_is_called",
        lambda build: one(build, "NetworkPolicy", "to-collector")["spec"]["podSelector"]["matchExpressions"][0][
            "values"
        ].remove("page"),
    ),
    Mistake("pods that may not ask for addresses", "lets_through_what_is_called", remove("NetworkPolicy", "names")),
    Mistake(
        "a generator that the gateway does not reach",
        "lets_the_gateway_in",
        lambda build: one(build, "NetworkPolicy", "from-knative")["spec"]["podSelector"]["matchExpressions"][0][
            "values"
        ].remove("generator"),
    ),
    Mistake("nothing that is closed", "lets_nothing_else_through", remove("NetworkPolicy", "deny-all")),
    Mistake("a Jaeger for everybody", "lets_nothing_else_through", lambda build: peers_of(build, "jaeger").append({})),
    # Safety.
    Mistake(
        "a root file system that can be written to",
        "runs_with_least_rights",
        lambda build: container(build, "generator")["securityContext"].update(readOnlyRootFilesystem=False),
    ),
    Mistake(
        "a container that may be root",
        "runs_with_least_rights",
        lambda build: container(build, "page")["securityContext"].pop("runAsNonRoot"),
    ),
    Mistake(
        "a capability that is kept",
        "runs_with_least_rights",
        lambda build: replica("Deployment", "jaeger")(build)["containers"][0]["securityContext"]["capabilities"].update(
            add=["NET_RAW"]
        ),
    ),
    Mistake(
        "a token of Kubernetes in a pod",
        "runs_with_least_rights",
        lambda build: spec(build, "orchestrator").pop("automountServiceAccountToken"),
    ),
    Mistake(
        "a Role that reads Secrets",
        "gives_few_rights",
        lambda build: one(build, "Role", "releaser")["rules"][0]["resources"].append("secrets"),
    ),
    Mistake(
        "rights over the whole cluster",
        "gives_few_rights",
        add(apiVersion="rbac.authorization.k8s.io/v1", kind="ClusterRole", metadata={"name": "all"}, rules=[]),
    ),
    Mistake(
        "a Secret that is committed",
        "keeps_secrets_out",
        add(apiVersion="v1", kind="Secret", metadata={**ELSEWHERE, "name": "redis"}, stringData={"password": "x"}),
    ),
    Mistake("a password in a ConfigMap", "keeps_secrets_out", set_config("orchestrator", "NEO4J_PASSWORD", "x")),
    Mistake(
        "a worker that is open to the world",
        "is_reached_by_those_who_may",
        lambda build: one(build, "Service", "evaluator")["metadata"]["labels"].pop("networking.knative.dev/visibility"),
    ),
    Mistake(
        "a Neo4j that is open to the world",
        "is_reached_by_those_who_may",
        lambda build: one(build, "Service", "neo4j")["spec"].update(type="LoadBalancer"),
    ),
    # Size.
    Mistake(
        "a container that takes what it likes",
        "says_what_it_takes",
        lambda build: replica("StatefulSet", "neo4j")(build)["containers"][0].pop("resources"),
    ),
    Mistake(
        "a /tmp without an end",
        "says_what_it_takes",
        lambda build: spec(build, "page")["volumes"][0].update(emptyDir={}),
    ),
    Mistake("more pods than the quota has room for", "fits_the_quota", scale("evaluator", "max-scale", "100")),
    Mistake("more GPUs than the quota has", "fits_the_quota", scale("generator", "max-scale", "13")),
    # Releases.
    Mistake(
        "a release that the workers do not have",
        "calls_workers_of_its_release",
        set_config("orchestrator", "KOT_RELEASE", "r3"),
    ),
    Mistake(
        "a worker without the new release",
        "calls_workers_of_its_release",
        lambda build: one(build, "Service", "validator")["spec"]["traffic"].pop(),
        "canary",
    ),
]
