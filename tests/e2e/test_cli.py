"""`kot` as a person or a script meets it: real processes, real gRPC, the shipped weights."""

import csv
import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import grpc
import pytest
from kot import (
    ENDLESS,
    ESCAPE,
    KOT,
    assert_plain,
    environment,
    free_port,
    kot,
    read_until,
    serving,
    terminal,
    wait_for,
)

from services.rpc.channel import dial
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire
from services.rpc.gen.kubeofthoughts.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

JSON_KEYS = ["solve_id", "status", "answer", "steps", "strategy", "usage", "elapsed_seconds"]
USAGE_KEYS = ["model_calls", "prompt_tokens", "completion_tokens", "cache_hits", "dollars"]


@pytest.fixture(scope="module")
def target():
    """A server that is there for tests that leave it as it is."""
    with serving() as (_, address, _):
        yield address


# --- an answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["scripted", "embedded"])
def test_an_answer_comes_with_its_steps_and_what_it_took(model):
    ended = kot("solve", "1", "1", "11", "11", KOT_MODEL=model)
    assert_plain(ended, 0)
    answer, *steps, usage = ended.stdout.splitlines()
    assert answer.endswith("= 24")
    assert len(steps) == 4
    assert answer in steps[-1]
    assert re.search(r"[\d,]+ model calls, .* malformed, [\d,]+ illegal, [\d,]+ duplicate; solve [0-9a-f]{32}$", usage)
    assert ended.stderr == ""


def test_json_is_one_document_and_nothing_else():
    ended = kot("solve", "1 1 11 11", "--json")
    assert_plain(ended, 0)
    document = json.loads(ended.stdout)
    assert list(document) == JSON_KEYS
    assert list(document["usage"]) == USAGE_KEYS
    assert document["status"] == "SOLVED"
    assert document["answer"].endswith("= 24")
    assert len(document["steps"]) == 4
    assert ended.stderr == ""


def test_every_hyperparameter_of_the_talk_is_an_option():
    settings = "--beam-width 3 --branching-factor 8 --depth 4 --samples 16 --answer-samples 2 --evaluation-threshold 0"
    rest = "--request-batch-size 4 --concurrency async --temperature 0.7 --top-k 40 --top-p 0.9 --max-tokens 50"
    more = "--task game24 --strategy bfs --seed 1 --value-samples 1 --trust-arithmetic --prompt-style bare"
    budget = "--max-nodes 5000 --max-model-calls 5000 --max-completion-tokens 19000 --max-seconds 30"
    ended = kot("solve", "1 1 11 11", "--set", "answer_attempts=2", *f"{settings} {rest} {more} {budget}".split())
    assert_plain(ended, 0)


# --- no answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "named"),
    [
        (["--max-completion-tokens", "2000"], "--max-completion-tokens"),
        (["--max-model-calls", "20"], "--max-model-calls"),
        (["--max-nodes", "2"], "--max-nodes"),
        ([*ENDLESS, "--max-seconds", "0.3"], "--max-seconds"),
    ],
)
def test_a_budget_that_ends_the_search_is_named_and_nothing_is_called_impossible(target, budget, named):
    ended = kot("solve", "1 1 1 1", "--target", target, *budget)
    assert_plain(ended, 1)
    assert ended.stdout.startswith("not found within")
    assert named in ended.stdout.splitlines()[0]
    assert "impossible" not in ended.stdout


def test_json_without_an_answer_has_null(target):
    ended = kot("solve", "1 1 1 1", "--target", target, "--json", "--max-nodes", "2")
    assert_plain(ended, 1)
    document = json.loads(ended.stdout)
    assert (document["status"], document["answer"]) == ("NODES_SPENT", None)


# --- wrong input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([""], "problem"),
        (["a b c d"], "'a'"),
        ([" ".join(["7"] * 40)], "40 words"),
        (["7 " * 30_000], "problem"),
        (["1 1 11 \udcff"], "problem"),
        (["1 1 11 11", "--depth", "0"], "--depth"),
        (["1 1 11 11", "--depth", "100000"], "--depth"),
        (["1 1 11 11", "--depth", "9" * 400], "--depth"),
        (["1 1 11 11", "--depth", "deep"], "--depth"),
        (["1 1 11 11", "--beam-width", "0"], "--beam-width"),
        (["1 1 11 11", "--evaluation-threshold", "nan"], "--evaluation-threshold"),
        (["1 1 11 11", "--request-batch-size", "100000"], "--request-batch-size"),
        (["1 1 11 11", "--request-batch-size", "99999999999"], "--request-batch-size"),
        (["1 1 11 11", "--seed", "-1"], "--seed"),
        (["1 1 11 11", "--task", "chess"], "game24"),
        (["1 1 11 11", "--strategy", "luck"], "bfs"),
        (["1 1 11 11", "--set", "width=3"], "beam_width"),
        (["1 1 11 11", "--set", "beam_width=wide"], "--beam-width"),
        (["1 1 11 11", "--set", "beam_width"], "NAME=VALUE"),
        (["1 1 11 11", "--set", "beam_width=" + "9x" * 30_000], "--beam-width"),
        (["1 1 11 11", "--set", "x" * 60_000 + "=1"], "xxx"),
        (["1 1 11 11", "--max-nodes", "-5"], "--max-nodes"),
        (["1 1 11 11", "--max-seconds", "-5"], "--max-seconds"),
        (["1 1 11 11", "--wings"], "--wings"),
    ],
)
def test_wrong_input_is_refused_by_name(target, arguments, named):
    encoded = [argument.encode("utf-8", "surrogateescape") for argument in arguments]
    ended = kot("solve", *encoded, "--target", target)
    assert_plain(ended, 2)
    assert named in ended.stderr
    assert ended.stdout == ""


def test_wrong_input_is_refused_by_the_embedded_server_too():
    ended = kot("solve", "1 1 11 11", "--beam-width", "0", "--json")
    assert_plain(ended, 2)
    assert ended.stderr == "kot: beam_width must be at least 1, not 0.0 (--beam-width)\n"
    assert ended.stdout == ""


def test_a_wrong_environment_variable_is_named():
    ended = kot("solve", "1 1 11 11", KOT_MODEL_PARALLEL="many")
    assert_plain(ended, 2)
    assert "KOT_MODEL_PARALLEL" in ended.stderr


# --- what is not there ------------------------------------------------------------------------------------------------


def test_a_wrong_model_path_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "none.gguf"
    ended = kot("solve", "1 1 11 11", KOT_MODEL="embedded", KOT_MODEL_PATH=str(path))
    assert_plain(ended, 4)
    assert str(path) in ended.stderr
    assert "KOT_MODEL_PATH" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_target_that_cannot_be_reached_is_named():
    target = f"127.0.0.1:{free_port()}"
    ended = kot("solve", "1 1 11 11", "--target", target, KOT_COLD_START_TIMEOUT="1")
    assert_plain(ended, 4)
    assert target in ended.stderr


def test_a_target_that_never_answers_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        ended = kot("solve", "1 1 11 11", "--target", target, KOT_COLD_START_TIMEOUT="1")
    assert_plain(ended, 4)
    assert target in ended.stderr


def test_a_port_that_is_taken_is_named(target):
    port = target.rpartition(":")[2]
    ended = kot("serve", "--port", port, "--web-port", "0")
    assert_plain(ended, 4)
    assert port in ended.stderr


# --- interruption -----------------------------------------------------------------------------------------------------


def wait_for_socket(folder: Path) -> None:
    while not list(folder.glob("kot-*/kot.sock")):
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_solve_prints_what_there_is(tmp_path, number):
    command = [*KOT, "solve", "1 1 1 1", "--json", *ENDLESS]
    with subprocess.Popen(
        command,
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as solving:
        wait_for_socket(tmp_path)
        time.sleep(1)  # From the socket to the first expansion.
        solving.send_signal(number)
        out, err = solving.communicate(timeout=30)
    assert solving.returncode == 3
    assert "Traceback" not in err
    assert json.loads(out)["status"] == "CANCELLED"
    assert not list(tmp_path.iterdir())


async def test_a_server_that_is_told_to_stop_finishes_its_solves():
    with serving() as (server, address, log):
        async with dial(address) as channel:
            stub = OrchestratorServiceStub(channel)
            budget = wire.Budget(wall_seconds=2, completion_tokens=10**9, model_calls=10**7)
            call = stub.Solve(wire.SolveRequest(problem="1 1 1 1", budget=budget))
            last, told = wire.SolveResponse(), False
            async for message in call:
                if message.HasField("progress") and not told:
                    server.send_signal(signal.SIGTERM)
                    told = True
                last = message
        assert last.result.status == wire.SOLVE_STATUS_WALL_TIME_SPENT
        assert server.wait(30) == 0
        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events == ["serving", "draining", "solved", "stopped"]


async def test_a_server_that_drains_refuses_new_solves():
    with serving() as (server, address, log):
        async with dial(address) as channel:
            stub = OrchestratorServiceStub(channel)
            budget = wire.Budget(wall_seconds=2, completion_tokens=10**9, model_calls=10**7)
            async for message in stub.Solve(wire.SolveRequest(problem="1 1 1 1", budget=budget)):
                if message.HasField("accepted"):
                    server.send_signal(signal.SIGINT)
                    wait_for(log, "draining", server)
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await stub.ListTasks(wire.ListTasksRequest())
                    assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert server.wait(30) == 0


# --- a terminal -------------------------------------------------------------------------------------------------------


def test_a_terminal_shows_the_tree():
    with terminal("solve", "1 1 11 11") as (process, screen):
        seen = read_until(screen, "never written")
        assert process.wait(30) == 0
    assert ESCAPE in seen
    assert "├──" in seen
    assert "✔ " in seen
    assert "= 24" in seen
    assert "thoughts" in seen


def test_ctrl_c_in_a_terminal_ends_the_search_and_shows_what_there_is():
    with terminal("solve", "1 1 1 1", *ENDLESS) as (process, screen):
        assert "├──" in read_until(screen, "├──")
        process.send_signal(signal.SIGINT)
        seen = read_until(screen, "never written")
        assert process.wait(30) == 3
    assert "interrupted before an answer was found" in seen
    assert "model calls" in seen
    assert "Traceback" not in seen


# --- the other commands -----------------------------------------------------------------------------------------------


def test_help_lists_the_exit_codes():
    for arguments in (["--help"], ["solve", "--help"]):
        ended = kot(*arguments)
        assert_plain(ended, 0)
        said = " ".join(ended.stdout.split())
        assert "0 answer found" in said
        assert "4 unavailable" in said


def test_the_version_is_printed():
    assert re.fullmatch(r"kot \d+\.\d+\.\d+\n", kot("--version").stdout)


def test_tasks_and_strategies_are_listed_without_a_model(tmp_path):
    nothing = {"KOT_MODEL": "embedded", "KOT_MODEL_PATH": str(tmp_path / "none.gguf")}
    tasks, strategies = kot("tasks", **nothing), kot("strategies", **nothing)
    assert_plain(tasks, 0)
    assert "game24" in tasks.stdout
    assert_plain(strategies, 0)
    assert "beam_width" in strategies.stdout


def test_doctor_draws_a_sample_from_the_model():
    ended = kot("doctor", KOT_MODEL="embedded")
    assert_plain(ended, 0)
    assert "thought-model.gguf" in ended.stdout
    assert re.search(r"✔ sample +\d+ tokens", ended.stdout)


def test_doctor_says_what_is_wrong_with_the_model(tmp_path):
    path = tmp_path / "none.gguf"
    ended = kot("doctor", KOT_MODEL="embedded", KOT_MODEL_PATH=str(path))
    assert_plain(ended, 4)
    assert re.search(rf"✘ weights +{re.escape(str(path))}", ended.stdout)


def test_doctor_asks_the_target_and_the_stages_that_are_named(target):
    assert_plain(kot("doctor", "--target", target), 0)
    nowhere = f"127.0.0.1:{free_port()}"
    assert_plain(kot("doctor", "--target", nowhere), 4)
    ended = kot("doctor", KOT_GENERATOR_TARGET=target, KOT_EVALUATOR_TARGET=nowhere)
    assert_plain(ended, 4)
    assert f"✔ generator         {target} serves" in ended.stdout
    assert "✘ evaluator" in ended.stdout
    assert "KOT_EVALUATOR_TARGET" in ended.stdout


# --- bench ------------------------------------------------------------------------------------------------------------


def write_puzzles(path, *puzzles, column="puzzle"):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["rank", column], *([rank, puzzle] for rank, puzzle in enumerate(puzzles))])
    return str(path)


def test_bench_counts_for_each_strategy(tmp_path):
    puzzles, out = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11", "4 5 6 10", "1 1 1 1"), tmp_path / "out.json"
    ended = kot(
        *["bench", "--puzzles", puzzles, "--strategy", "bfs", "--strategy", "dfs", "--json", str(out)],
        *["--limit", "2", "--parallel", "2", "--seed", "7"],
    )
    assert_plain(ended, 0)
    assert "bfs" in ended.stdout
    bfs, dfs = json.loads(out.read_text())
    wanted = "strategy puzzles solved solved_share ci95 model_calls prompt_tokens completion_tokens seconds_per_puzzle"
    assert list(bfs)[:9] == wanted.split()
    assert (bfs["strategy"], dfs["strategy"]) == ("bfs", "dfs")
    assert bfs["puzzles"] == 2
    assert bfs["solved"] == 2
    assert bfs["false_answers"] == 0
    assert bfs["seed"] == 7
    assert bfs["ci95"] == pytest.approx([0.3424, 1.0], abs=1e-4)


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "no column 'puzzle'"), ("problem\n1 1 11 11\n", "problem"), ("puzzle\n", "no puzzles"), (None, "cannot be")],
)
def test_bench_says_what_is_wrong_with_its_file(tmp_path, content, said):
    path = tmp_path / "puzzles.csv"
    if content is not None:
        path.write_text(content)
    ended = kot("bench", "--puzzles", str(path))
    assert_plain(ended, 2)
    assert str(path) in ended.stderr
    assert said in ended.stderr


def test_bench_names_the_puzzle_that_is_none(tmp_path, target):
    ended = kot("bench", "--puzzles", write_puzzles(tmp_path / "puzzles.csv", "1 1 x"), "--target", target)
    assert_plain(ended, 2)
    assert "'1 1 x'" in ended.stderr


def test_bench_does_not_begin_what_it_could_not_write(tmp_path):
    puzzles = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11")
    ended = kot("bench", "--puzzles", puzzles, "--json", str(tmp_path / "nowhere" / "out.json"))
    assert_plain(ended, 2)
    assert "nowhere" in ended.stderr


def test_bench_refuses_a_setting_that_one_of_its_strategies_has_not_before_it_solves_anything(tmp_path, target):
    puzzles = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11")
    ended = kot(
        "bench", "--puzzles", puzzles, "-s", "bfs", "-s", "dfs", "--beam-width", "3",
        "--json", tmp_path / "out.json", "--target", target,
    )  # fmt: skip
    assert_plain(ended, 2)
    assert "beam_width" in ended.stderr
    assert not (tmp_path / "out.json").exists()


def test_bench_measures_each_strategy_at_each_budget(tmp_path, target):
    puzzles, out = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11", "1 1 1 1"), tmp_path / "out.json"
    ended = kot(
        "bench", "--puzzles", puzzles, "-s", "sample_until_valid", "-s", "dfs", "--budget", "2000", "--budget", "500",
        "--seeds", "3", "--target", target, "--json", out,
    )  # fmt: skip
    assert_plain(ended, 0)
    figures = json.loads(out.read_text())
    measured = [(each["strategy"], each["completion_token_budget"]) for each in figures]
    assert measured == [("sample_until_valid", 2000), ("sample_until_valid", 500), ("dfs", 2000), ("dfs", 500)]
    for each in figures:
        assert (each["puzzles"], each["seeds"], sum(each["statuses"].values())) == (2, 3, 6)
        assert each["completion_tokens_per_puzzle"] == each["completion_tokens"] / 6
        assert each["model_calls_per_puzzle"] == each["model_calls"] / 6
        assert 0 < each["completion_tokens_per_puzzle"] <= each["completion_token_budget"]
    rows = [line for line in ended.stdout.splitlines() if "dfs" in line or "sample" in line]
    assert [row.split()[:2] for row in rows] == [[name, f"{budget:,}"] for name, budget in measured]
    assert all("…" not in row and len(row) <= 80 for row in rows)


def test_bench_without_budgets_is_one_run_at_the_servers_own(tmp_path, target):
    puzzles, out = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11"), tmp_path / "out.json"
    for flags, budget in ([], None), (["--max-completion-tokens", "900"], 900):
        assert_plain(kot("bench", "--puzzles", puzzles, "--target", target, "--json", out, *flags), 0)
        assert [each["completion_token_budget"] for each in json.loads(out.read_text())] == [budget]


def test_bench_pools_what_each_seed_alone_would_give(tmp_path, target):
    puzzles, out = write_puzzles(tmp_path / "puzzles.csv", "1 1 1 1", "4 5 6 10"), tmp_path / "out.json"

    def measure(*flags):
        ended = kot(
            "bench", "--puzzles", puzzles, "-s", "sample_until_valid", "--concurrency", "sequential",
            "--budget", "300", "--target", target, "--json", out, *flags,
        )  # fmt: skip
        assert_plain(ended, 0)
        return json.loads(out.read_text())[0]

    alone, pooled = [measure("--seed", "5"), measure("--seed", "6")], measure("--seed", "5", "--seeds", "2")
    assert pooled["seed"] == 5
    for name in "solved", "completion_tokens", "prompt_tokens", "model_calls":
        assert pooled[name] == sum(each[name] for each in alone)


@pytest.mark.parametrize(("suffix", "begins"), [(".svg", b"<?xml"), (".png", b"\x89PNG")])
def test_bench_plots(tmp_path, target, suffix, begins):
    puzzles, plot = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11"), tmp_path / f"plot{suffix}"
    # The smallest budget pays for nothing, and an axis of powers of ten has no zero.
    budgets = ["--budget", "1", "--budget", "2000"]
    ended = kot("bench", "--puzzles", puzzles, "-s", "dfs", "-s", "io", *budgets, "--plot", plot, "--target", target)
    assert_plain(ended, 0)
    assert plot.read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--plot", "{folder}/nowhere/plot.svg"], "nowhere"),
        (["--plot", "{folder}"], "cannot be written"),
        (["--plot", "{folder}/plot.pdf"], ".svg or .png"),
        (["--budget", "0"], "--budget"),
        (["--budget", "9" * 12], "--budget"),
        (["--budget", "500", "--budget", "500"], "--budget 500 is given 2 times"),
        (["--budget", "500", "--max-completion-tokens", "600"], "--max-completion-tokens"),
        (["-s", "dfs", "-s", "bfs", "-s", "dfs"], "--strategy dfs is given 2 times"),
        (["--seeds", "0"], "--seeds"),
        (["--seed", str(2**64 - 1), "--seeds", "2"], "--seed"),
    ],
)
def test_bench_refuses_before_it_solves_anything(tmp_path, target, flags, said):
    puzzles, out = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11"), tmp_path / "out.json"
    flags = [flag.format(folder=tmp_path) for flag in flags]
    ended = kot("bench", "--puzzles", puzzles, "--json", out, "--target", target, *flags)
    assert_plain(ended, 2)
    assert said in ended.stderr
    assert ended.stdout == ""
    assert not out.exists()


def test_bench_says_how_to_install_what_plots(tmp_path, target):
    (tmp_path / "matplotlib.py").write_text("raise ImportError\n")
    puzzles = write_puzzles(tmp_path / "puzzles.csv", "1 1 11 11")
    flags = ["--plot", tmp_path / "plot.svg", "--target", target]
    ended = kot("bench", "--puzzles", puzzles, *flags, PYTHONPATH=str(tmp_path))
    assert_plain(ended, 2)
    assert "pip install 'kube-of-thoughts[plot]'" in ended.stderr
    assert kot("bench", "--puzzles", puzzles, *flags[2:], PYTHONPATH=str(tmp_path)).returncode == 0
