"""Domain values to messages and back; the only crossing."""

import math
from collections.abc import Mapping
from dataclasses import fields

from google.protobuf import struct_pb2

from services.core.budget import Limits
from services.core.ports import (
    CallBegun,
    CompletionDone,
    CompletionEvent,
    CompletionRequest,
    EvaluateRequest,
    EvaluateUpdate,
    ProposeRequest,
    ProposeUpdate,
    SampleDone,
    Sampling,
    TaskSelection,
    TextDelta,
    ValidateRequest,
    ValidateUpdate,
)
from services.core.search import SettingDescription
from services.core.task import EvaluationMethod, Method, PromptStyle, TaskDefinition
from services.core.thought import Dropped, Proposal, State, Thought, Usage, Value, Verdict
from services.core.tree import Evaluated, Event, Expanded, Failed, Merged, Proposed, Pruned, Validated
from services.rpc.gen.kubeofthoughts.v1 import (
    evaluator_service_pb2,
    generator_service_pb2,
    language_model_service_pb2,
    orchestrator_service_pb2,
    thought_pb2,
    validator_service_pb2,
)
from services.rpc.status import from_failure, make_failure, to_failure

_STYLES = {
    PromptStyle.BARE: thought_pb2.PROMPT_STYLE_BARE,
    PromptStyle.FEW_SHOT: thought_pb2.PROMPT_STYLE_FEW_SHOT,
}
_STYLES_BACK = {wire: style for style, wire in _STYLES.items()}
_METHODS = {
    Method.STEP: generator_service_pb2.PROPOSAL_METHOD_STEP,
    Method.CHAIN: generator_service_pb2.PROPOSAL_METHOD_CHAIN,
    Method.DIRECT: generator_service_pb2.PROPOSAL_METHOD_DIRECT,
}
_METHODS_BACK = {wire: method for method, wire in _METHODS.items()}
_EVALUATIONS = {
    EvaluationMethod.VALUE: evaluator_service_pb2.EVALUATION_METHOD_VALUE,
    EvaluationMethod.VOTE: evaluator_service_pb2.EVALUATION_METHOD_VOTE,
}
_EVALUATIONS_BACK = {wire: method for method, wire in _EVALUATIONS.items()}
_VERDICTS = {Verdict.CERTAIN: thought_pb2.VERDICT_CERTAIN, Verdict.IMPOSSIBLE: thought_pb2.VERDICT_IMPOSSIBLE}
_VERDICTS_BACK = {wire: verdict for verdict, wire in _VERDICTS.items()}

# --- shared ---------------------------------------------------------------------------------------------------------


def style_from_proto(message: thought_pb2.PromptStyle, default: PromptStyle) -> PromptStyle:
    """Read a prompt style; `default` if it is unspecified."""
    return _STYLES_BACK.get(message, default)


def style_to_proto(style: PromptStyle | None) -> thought_pb2.PromptStyle:
    """Write a prompt style; unspecified if there is none."""
    return _STYLES[style] if style else thought_pb2.PROMPT_STYLE_UNSPECIFIED


def method_from_proto(message: generator_service_pb2.ProposalMethod) -> Method | None:
    """Read what a proposal is asked for; None if it is unspecified."""
    return _METHODS_BACK.get(message)


def method_to_proto(method: Method | None) -> generator_service_pb2.ProposalMethod:
    """Write what a proposal is asked for; unspecified if that is not known."""
    return _METHODS[method] if method else generator_service_pb2.PROPOSAL_METHOD_UNSPECIFIED


def state_to_proto(state: State) -> thought_pb2.State:
    """Write a state."""
    return thought_pb2.State(problem=state.problem, steps=state.steps)


def state_from_proto(message: thought_pb2.State) -> State:
    """Read a state."""
    return State(message.problem, tuple(message.steps))


def definition_to_proto(definition: TaskDefinition) -> thought_pb2.TaskDefinition:
    """Write the definition of a task."""
    return thought_pb2.TaskDefinition(
        name=definition.name,
        summary=definition.summary,
        example=definition.example,
        depth=definition.depth,
        propose=definition.propose,
        evaluate=definition.evaluate,
        validate=definition.validate,
        vote=definition.vote,
        answer=definition.answer,
        propose_tokens=definition.propose_tokens,
        evaluate_tokens=definition.evaluate_tokens,
        validate_tokens=definition.validate_tokens,
    )


def definition_from_proto(message: thought_pb2.TaskDefinition) -> TaskDefinition:
    """Read the definition of a task."""
    return TaskDefinition(
        name=message.name,
        summary=message.summary,
        example=message.example,
        depth=message.depth,
        propose=message.propose,
        evaluate=message.evaluate,
        validate=message.validate,
        vote=message.vote,
        answer=message.answer,
        propose_tokens=message.propose_tokens,
        evaluate_tokens=message.evaluate_tokens,
        validate_tokens=message.validate_tokens,
    )


def task_to_proto(task: TaskSelection) -> thought_pb2.TaskReference:
    """Write a task selection."""
    return thought_pb2.TaskReference(
        name=task.name,
        definition=definition_to_proto(task.definition) if task.definition else None,
        trust_arithmetic=task.trust_arithmetic,
        prompt_style=_STYLES[task.style],
    )


def task_from_proto(message: thought_pb2.TaskReference) -> TaskSelection:
    """Read a task selection; an unspecified prompt style is bare."""
    return TaskSelection(
        name=message.name,
        definition=definition_from_proto(message.definition) if message.HasField("definition") else None,
        trust_arithmetic=message.trust_arithmetic,
        style=style_from_proto(message.prompt_style, PromptStyle.BARE),
    )


def sampling_to_proto(sampling: Sampling) -> thought_pb2.Sampling:
    """Write sampling parameters."""
    return thought_pb2.Sampling(
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
    )


def sampling_from_proto(message: thought_pb2.Sampling) -> Sampling:
    """Read sampling parameters; what is left out has its default."""
    given = {field.name: value for field, value in message.ListFields()}
    return Sampling(**given)


def usage_to_proto(usage: Usage) -> thought_pb2.Usage:
    """Write what calls have cost."""
    return thought_pb2.Usage(
        model_calls=usage.model_calls,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cache_hits=usage.cache_hits,
        dollars=usage.dollars,
    )


def usage_from_proto(message: thought_pb2.Usage) -> Usage:
    """Read what calls have cost."""
    return Usage(
        message.model_calls, message.prompt_tokens, message.completion_tokens, message.cache_hits, message.dollars
    )


def value_to_proto(value: Value) -> thought_pb2.Value:
    """Write a value."""
    return thought_pb2.Value(sure=value.sure, likely=value.likely, impossible=value.impossible, votes=value.votes)


def value_from_proto(message: thought_pb2.Value) -> Value:
    """Read a value."""
    votes = message.votes if message.HasField("votes") else None
    return Value(message.sure, message.likely, message.impossible, votes)


def dropped_to_proto(dropped: Dropped) -> generator_service_pb2.Dropped:
    """Write counts of dropped lines."""
    return generator_service_pb2.Dropped(
        malformed=dropped.malformed, illegal=dropped.illegal, duplicate=dropped.duplicate
    )


def dropped_from_proto(message: generator_service_pb2.Dropped) -> Dropped:
    """Read counts of dropped lines."""
    return Dropped(message.malformed, message.illegal, message.duplicate)


# --- generator ------------------------------------------------------------------------------------------------------


def propose_request_to_proto(request: ProposeRequest) -> generator_service_pb2.GenerateRequest:
    """Write one request of a batch."""
    return generator_service_pb2.GenerateRequest(
        id=request.id,
        task=task_to_proto(request.task),
        state=state_to_proto(request.state),
        samples=request.samples,
        max_thoughts=request.max_thoughts,
        sampling=sampling_to_proto(request.sampling),
        method=method_to_proto(request.method),
        seed=request.seed,
        draw=request.draw,
        model=request.model,
        fresh=request.fresh,
        trace=request.trace,
    )


def propose_request_from_proto(message: generator_service_pb2.GenerateRequest) -> ProposeRequest:
    """Read one request of a batch."""
    return ProposeRequest(
        id=message.id,
        task=task_from_proto(message.task),
        state=state_from_proto(message.state),
        samples=message.samples,
        max_thoughts=message.max_thoughts,
        sampling=sampling_from_proto(message.sampling),
        method=method_from_proto(message.method) or Method.STEP,
        seed=message.seed,
        draw=message.draw,
        model=message.model,
        fresh=message.fresh,
        trace=message.trace,
    )


def propose_update_to_proto(update: ProposeUpdate) -> generator_service_pb2.GenerateUpdate:
    """Write one update of a batch."""
    return generator_service_pb2.GenerateUpdate(
        id=update.id,
        proposals=[
            generator_service_pb2.Proposal(text=proposal.text, key=proposal.key, answer=proposal.answer)
            for proposal in update.proposals
        ],
        dropped=dropped_to_proto(update.dropped),
        usage=usage_to_proto(update.usage),
        done=update.done,
        failure=to_failure(update.error) if update.error else None,
    )


def propose_update_from_proto(message: generator_service_pb2.GenerateUpdate, pod: str = "") -> ProposeUpdate:
    """Read one update of a batch that `pod` serves."""
    return ProposeUpdate(
        id=message.id,
        proposals=tuple(
            Proposal(proposal.text, proposal.key, proposal.answer if proposal.HasField("answer") else None, pod)
            for proposal in message.proposals
        ),
        dropped=dropped_from_proto(message.dropped),
        usage=usage_from_proto(message.usage),
        done=message.done,
        error=from_failure(message.failure) if message.HasField("failure") else None,
    )


# --- evaluator ------------------------------------------------------------------------------------------------------


def evaluation_from_proto(message: evaluator_service_pb2.EvaluationMethod) -> EvaluationMethod | None:
    """Read how states are judged; None if it is unspecified."""
    return _EVALUATIONS_BACK.get(message)


def evaluate_request_to_proto(request: EvaluateRequest) -> evaluator_service_pb2.EvaluateRequest:
    """Write one request of a batch."""
    return evaluator_service_pb2.EvaluateRequest(
        id=request.id,
        task=task_to_proto(request.task),
        states=[state_to_proto(state) for state in request.states],
        method=_EVALUATIONS[request.method],
        samples=request.samples,
        sampling=sampling_to_proto(request.sampling),
        seed=request.seed,
        by_model=request.by_model,
        model=request.model,
        fresh=request.fresh,
        traces=request.traces,
    )


def evaluate_request_from_proto(message: evaluator_service_pb2.EvaluateRequest) -> EvaluateRequest:
    """Read one request of a batch."""
    return EvaluateRequest(
        id=message.id,
        task=task_from_proto(message.task),
        states=tuple(state_from_proto(state) for state in message.states),
        method=evaluation_from_proto(message.method) or EvaluationMethod.VALUE,
        samples=message.samples,
        sampling=sampling_from_proto(message.sampling),
        seed=message.seed,
        by_model=message.by_model,
        model=message.model,
        fresh=message.fresh,
        traces=tuple(message.traces),
    )


def evaluate_update_to_proto(update: EvaluateUpdate) -> evaluator_service_pb2.EvaluateUpdate:
    """Write the judgement of one state."""
    return evaluator_service_pb2.EvaluateUpdate(
        id=update.id,
        index=update.index,
        value=value_to_proto(update.value) if update.value else None,
        usage=usage_to_proto(update.usage),
        failure=to_failure(update.error) if update.error else None,
    )


def evaluate_update_from_proto(message: evaluator_service_pb2.EvaluateUpdate, pod: str = "") -> EvaluateUpdate:
    """Read the judgement of one state, which comes from `pod`."""
    return EvaluateUpdate(
        id=message.id,
        index=message.index,
        value=value_from_proto(message.value) if message.HasField("value") else None,
        usage=usage_from_proto(message.usage),
        error=from_failure(message.failure) if message.HasField("failure") else None,
        pod=pod,
    )


# --- validator ------------------------------------------------------------------------------------------------------


def validate_request_to_proto(request: ValidateRequest) -> validator_service_pb2.ValidateRequest:
    """Write one request of a batch."""
    return validator_service_pb2.ValidateRequest(
        id=request.id,
        task=task_to_proto(request.task),
        problem=request.problem,
        answer=request.answer,
        sampling=sampling_to_proto(request.sampling),
        seed=request.seed,
        model=request.model,
        fresh=request.fresh,
        trace=request.trace,
    )


def validate_request_from_proto(message: validator_service_pb2.ValidateRequest) -> ValidateRequest:
    """Read one request of a batch."""
    return ValidateRequest(
        id=message.id,
        task=task_from_proto(message.task),
        problem=message.problem,
        answer=message.answer,
        sampling=sampling_from_proto(message.sampling),
        seed=message.seed,
        model=message.model,
        fresh=message.fresh,
        trace=message.trace,
    )


def validate_update_to_proto(update: ValidateUpdate) -> validator_service_pb2.ValidateUpdate:
    """Write one verdict."""
    return validator_service_pb2.ValidateUpdate(
        id=update.id,
        verdict=_VERDICTS[update.verdict] if update.verdict else thought_pb2.VERDICT_UNSPECIFIED,
        explanation=update.explanation,
        usage=usage_to_proto(update.usage),
        failure=to_failure(update.error) if update.error else None,
    )


def validate_update_from_proto(message: validator_service_pb2.ValidateUpdate, pod: str = "") -> ValidateUpdate:
    """Read one verdict, which comes from `pod`; one that is not known yet is no certainty."""
    failed = message.HasField("failure")
    return ValidateUpdate(
        id=message.id,
        verdict=None if failed else _VERDICTS_BACK.get(message.verdict, Verdict.IMPOSSIBLE),
        explanation=message.explanation,
        usage=usage_from_proto(message.usage),
        error=from_failure(message.failure) if failed else None,
        pod=pod,
    )


# --- language model -------------------------------------------------------------------------------------------------


def completion_request_to_proto(request: CompletionRequest) -> language_model_service_pb2.CompleteRequest:
    """Write a completion request."""
    return language_model_service_pb2.CompleteRequest(
        prompt=request.prompt,
        samples=request.samples,
        sampling=sampling_to_proto(request.sampling),
        seed=request.seed,
        stop=request.stop,
        labels=request.labels,
        model=request.model,
        fresh=request.fresh,
        trace=request.trace,
    )


def completion_request_from_proto(message: language_model_service_pb2.CompleteRequest) -> CompletionRequest:
    """Read a completion request."""
    return CompletionRequest(
        prompt=message.prompt,
        samples=message.samples,
        sampling=sampling_from_proto(message.sampling),
        seed=message.seed,
        stop=tuple(message.stop),
        labels=tuple(message.labels),
        model=message.model,
        fresh=message.fresh,
        trace=message.trace,
    )


def completion_event_to_proto(event: CompletionEvent) -> language_model_service_pb2.CompleteResponse:
    """Write the beginning of a call, a piece of a completion, or an end."""
    wire = language_model_service_pb2
    match event:
        case CallBegun(cached, paid_by):
            return wire.CompleteResponse(begun=wire.CallBegun(cached=cached, paid_by=paid_by))
        case TextDelta(sample, text):
            return wire.CompleteResponse(delta=wire.TextDelta(sample=sample, text=text))
        case SampleDone(sample, tokens, truncated, probabilities):
            done = wire.SampleDone(
                sample=sample, completion_tokens=tokens, truncated=truncated, label_probabilities=probabilities
            )
            return wire.CompleteResponse(sample_done=done)
        case CompletionDone(tokens):
            return wire.CompleteResponse(done=wire.CompletionDone(prompt_tokens=tokens))


def completion_event_from_proto(message: language_model_service_pb2.CompleteResponse) -> CompletionEvent:
    """Read the beginning of a call, a piece of a completion, or an end."""
    match message.WhichOneof("event"):
        case "begun":
            return CallBegun(message.begun.cached, message.begun.paid_by)
        case "delta":
            return TextDelta(message.delta.sample, message.delta.text)
        case "sample_done":
            done = message.sample_done
            return SampleDone(done.sample, done.completion_tokens, done.truncated, tuple(done.label_probabilities))
        case _:
            return CompletionDone(message.done.prompt_tokens)


# --- orchestrator ---------------------------------------------------------------------------------------------------


def settings_from_struct(struct: struct_pb2.Struct) -> dict[str, object]:
    """Read a struct as plain values, not a number included; whole numbers come as floats."""
    return {name: struct[name] if value.WhichOneof("kind") else None for name, value in struct.fields.items()}


def settings_to_struct(settings: Mapping[str, bool | float]) -> struct_pb2.Struct:
    """Write plain values as a struct."""
    struct = struct_pb2.Struct()
    struct.update(settings)
    return struct


def setting_to_proto(setting: SettingDescription) -> orchestrator_service_pb2.SettingDescription:
    """Write the description of a setting."""
    default = struct_pb2.Value()
    if isinstance(setting.default, bool):
        default.bool_value = setting.default
    else:
        default.number_value = setting.default
    return orchestrator_service_pb2.SettingDescription(
        name=setting.name,
        type=setting.type,
        default=default,
        minimum=setting.minimum,
        maximum=setting.maximum,
        text=setting.text,
    )


def limits_from_proto(message: orchestrator_service_pb2.Budget) -> Limits:
    """Read a budget; what is left out has its default."""
    given = {field.name: value for field, value in message.ListFields()}
    return Limits(**given)


def limits_to_proto(limits: Limits) -> orchestrator_service_pb2.Budget:
    """Write limits; what has none is left out."""
    given = {field.name: getattr(limits, field.name) for field in fields(limits)}
    return orchestrator_service_pb2.Budget(**{name: limit for name, limit in given.items() if limit != math.inf})


def event_to_proto(event: Event, *, with_key: bool = False) -> orchestrator_service_pb2.ThoughtEvent:
    """Write one event of a tree; a thought's key is for logs alone."""
    wire = orchestrator_service_pb2
    message = wire.ThoughtEvent(thought_id=event.thought_id)
    match event:
        case Proposed(thought, pod):
            message.proposed.CopyFrom(
                wire.ThoughtProposed(
                    parent_id=thought.parent_id or "",
                    depth=thought.depth,
                    text=thought.text,
                    answer=thought.answer,
                    key=thought.key if with_key else "",
                    pod=pod,
                )
            )
        case Merged(_, parent_id, text):
            message.merged.CopyFrom(wire.ThoughtMerged(parent_id=parent_id, text=text))
        case Evaluated(_, value, pod):
            message.evaluated.CopyFrom(wire.ThoughtEvaluated(value=value_to_proto(value), score=value.score, pod=pod))
        case Validated(_, verdict, explanation, pod):
            message.validated.CopyFrom(
                wire.ThoughtValidated(verdict=_VERDICTS[verdict], explanation=explanation, pod=pod)
            )
        case Pruned(_, reason):
            message.pruned.CopyFrom(wire.ThoughtPruned(reason=reason))
        case Expanded(_, draw, dropped, usage):
            message.expanded.CopyFrom(
                wire.ThoughtExpanded(draw=draw, dropped=dropped_to_proto(dropped), usage=usage_to_proto(usage))
            )
        case Failed(_, reason, text):
            message.failed.CopyFrom(wire.ThoughtFailed(failure=make_failure(reason, text)))
    return message


def event_from_proto(message: orchestrator_service_pb2.ThoughtEvent) -> Event | None:
    """Read one event of a tree; None if it is of a kind newer than this client.

    A thought's key stays with the server that merges by it, and in its log: elsewhere it is empty.
    """
    match message.WhichOneof("event"):
        case "proposed":
            return Proposed(_thought_from_proto(message.thought_id, message.proposed), message.proposed.pod)
        case "merged":
            return Merged(message.thought_id, message.merged.parent_id, message.merged.text)
        case "evaluated":
            return Evaluated(message.thought_id, value_from_proto(message.evaluated.value), message.evaluated.pod)
        case "validated":
            verdict = _VERDICTS_BACK.get(message.validated.verdict, Verdict.IMPOSSIBLE)
            return Validated(message.thought_id, verdict, message.validated.explanation, message.validated.pod)
        case "pruned":
            return Pruned(message.thought_id, message.pruned.reason)
        case "expanded":
            expanded = message.expanded
            return Expanded(
                message.thought_id,
                expanded.draw,
                dropped_from_proto(expanded.dropped),
                usage_from_proto(expanded.usage),
            )
        case "failed":
            error = from_failure(message.failed.failure)
            return Failed(message.thought_id, error.reason, message.failed.failure.message)
        case _:
            return None


def _thought_from_proto(thought_id: str, message: orchestrator_service_pb2.ThoughtProposed) -> Thought:
    return Thought(
        id=thought_id,
        parent_id=message.parent_id,
        depth=message.depth,
        text=message.text,
        key=message.key,
        answer=message.answer if message.HasField("answer") else None,
    )
