"""Solves that are kept, as a person or a script meets them: real processes, a file that they share."""

import asyncio
import json
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cutting_proxy import cutting_proxy
from fleet import fleet
from jsonschema import Draft202012Validator
from kot import ENDLESS, KOT, assert_plain, environment, free_port, kot, read_until, serving, terminal
from word_ladder import ANSWER, EXAMPLE, PROBLEM, play

from services.adapters.llm.scripted import ScriptedModel
from services.testing.faulty_model import FaultyModel

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
SMALL = ["--concurrency", "level", "--max-completion-tokens", "3000"]


def solved(*arguments, **changes):
    """The document of a solve."""
    ended = kot("solve", *arguments, "--json", **changes)
    assert "Traceback" not in ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A file with four solves, the last first: their documents, and the environment that names the file."""
    where = {"KOT_STATE_PATH": str(tmp_path_factory.mktemp("state") / "kot.db")}
    commands = [
        ["1 1 11 11"],
        ["4 5 6 10", "--strategy", "sample_until_valid"],
        ["1 1 1 1", *SMALL],
        ["1 1 11 11", "--strategy", "dfs"],
    ]
    return [solved(*command, **where) for command in commands][::-1], where


@pytest.fixture(scope="module")
def alone(kept):
    """The same environment without a model: what only reads needs none."""
    return kept[1] | {"KOT_MODEL": "embedded", "KOT_MODEL_PATH": "/nowhere/none.gguf"}


# --- list -------------------------------------------------------------------------------------------------------------


def test_list_says_what_was_asked_and_found(kept, alone):
    solves, _ = kept
    ended = kot("list", **alone)
    assert_plain(ended, 0)
    lines = ended.stdout.splitlines()
    assert len(lines) == 2 * len(solves)
    for solve, first, second in zip(solves, lines[::2], lines[1::2], strict=True):
        assert first.startswith(solve["solve_id"])
        assert f"  {solve['status'].lower()}  game24  {solve['strategy']}  " in first
        assert second.endswith(f"  {solve['answer']}" if solve["answer"] else "    1 1 1 1")


def test_list_as_json_goes_page_by_page(kept, alone):
    solves, _ = kept
    whole = json.loads(kot("list", "--json", **alone).stdout)
    assert whole["next"] is None
    assert [solve["solve_id"] for solve in whole["solves"]] == [solve["solve_id"] for solve in solves]
    for listed, solve in zip(whole["solves"], solves, strict=True):
        assert (listed["status"], listed["answer"]) == (solve["status"], solve["answer"])
        assert listed["usage"] == solve["usage"]
    first = json.loads(kot("list", "--json", "--limit", "3", **alone).stdout)
    assert first == {"solves": whole["solves"][:3], "next": whole["solves"][2]["solve_id"]}
    assert json.loads(kot("list", "--json", "--before", first["next"], **alone).stdout)["solves"] == whole["solves"][3:]
    assert f"--before {first['next']}" in kot("list", "--limit", "3", **alone).stdout


# --- tree -------------------------------------------------------------------------------------------------------------


def test_the_text_of_a_tree_has_each_thought_once_and_marks_the_answer(kept, alone):
    [solve, *_], _ = kept
    ended = kot("tree", solve["solve_id"], **alone)
    assert_plain(ended, 0)
    root, *thoughts, empty, legend = ended.stdout.splitlines()
    assert root == "◆ 1 1 11 11"
    assert (empty, legend[0]) == ("", "✔")
    assert all("─ " in line for line in thoughts)
    [answer] = [line for line in thoughts if "✔" in line]
    assert solve["answer"] in answer
    exported = kot("export", solve["solve_id"], **alone).stdout.splitlines()
    further = sum(len(json.loads(line)["merged"]) for line in exported)
    assert len(thoughts) == len(exported) - 1 + further
    path = kot("tree", solve["solve_id"], "--answer-only", **alone).stdout.splitlines()[:-2]
    assert all(line.lstrip(" └─")[0] in "◆✔" for line in path)
    assert 1 < len(path) < len(thoughts)


def test_trees_are_drawn_for_other_programs(kept, alone, tmp_path):
    [solve, *_], _ = kept
    thoughts = len(kot("export", solve["solve_id"], **alone).stdout.splitlines())
    for form, begin in ("mermaid", "flowchart LR\n"), ("dot", "digraph thoughts {\n"), ("svg", "<svg "):
        path = tmp_path / form
        ended = kot("tree", solve["solve_id"], "--format", form, "--output", path, **alone)
        assert_plain(ended, 0)
        assert ended.stdout == ""
        assert path.read_text().startswith(begin)
        assert kot("tree", solve["solve_id"], "--format", form, **alone).stdout == path.read_text()
    picture = ElementTree.parse(tmp_path / "svg")
    assert len(picture.findall("{http://www.w3.org/2000/svg}text")) == thoughts


def test_a_tree_that_is_cut_says_so(kept, alone):
    [solve, *_], _ = kept
    ended = kot("tree", solve["solve_id"], "--depth", "0", **alone)
    assert ended.stdout.splitlines()[:-2] == ["◆ 1 1 11 11"]
    assert "thoughts are left out" in ended.stderr


def test_a_tree_without_an_answer_has_no_way_to_it(kept, alone):
    solve = kept[0][1]
    ended = kot("tree", solve["solve_id"], "--answer-only", **alone)
    assert_plain(ended, 0)
    assert (ended.stdout, ended.stderr) == ("", "there is no answer yet\n")


def test_who_has_read_enough_may_go(kept, alone):
    solve = kept[0][1]
    with subprocess.Popen(
        [*KOT, "export", solve["solve_id"]],
        env=environment(**alone),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        process.stdout.close()
        assert process.wait(30) == 1
        assert process.stderr.read() == ""


# --- export -----------------------------------------------------------------------------------------------------------


def export(form, *arguments, **changes):
    """The objects of an export, each held against the schema, and what was said."""
    ended = kot("export", "--format", form, *arguments, **changes)
    assert_plain(ended, 0)
    schema = json.loads((SCHEMAS / f"{form}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    for line in lines:
        Draft202012Validator(schema).validate(line)
    return lines, ended.stderr


def ids(kept):
    return [solve["solve_id"] for solve in kept[0]]


def test_whole_trees_are_exported(kept, alone):
    lines, said = export("jsonl", *ids(kept), **alone)
    assert said == ""
    for solve in kept[0]:
        tree = [line for line in lines if line["solve_id"] == solve["solve_id"]]
        assert [line["number"] for line in tree] == list(range(len(tree)))
        known = set()
        for line in tree:
            assert line["parent_id"] in known or (line["number"], line["parent_id"]) == (0, None)
            known.add(line["thought_id"])
        assert {way["parent_id"] for line in tree for way in line["merged"]} <= known
        answers = [line["answer"] for line in tree if line["status"] == "answer"]
        assert answers[:1] == [solve["answer"]] if solve["answer"] else answers == []
        assert {line["solve_status"] for line in tree} == {solve["status"]}


def test_right_steps_are_exported_with_their_prompts(kept, alone):
    lines, said = export("sft", *ids(kept), **alone)
    unsolved = [solve["solve_id"] for solve in kept[0] if not solve["answer"]]
    assert f"{len(unsolved)} of 4 solves are skipped" in said
    assert all(solve_id in said for solve_id in unsolved)
    for solve in kept[0]:
        steps = [line for line in lines if line["solve_id"] == solve["solve_id"]]
        said_by_the_model = [row for line in steps for row in line["completion"].split("\n")]
        assert said_by_the_model == (solve["steps"] if solve["answer"] else [])
        assert [line["steps"] for line in steps] == [
            [before["completion"] for before in steps[:number]] for number in range(len(steps))
        ]
    [first, *_] = [line for line in lines if line["solve_id"] == kept[0][-1]["solve_id"]]
    assert first["prompt"] == "Input: 1 1 11 11\nNext:\n"


def test_preferences_are_exported(kept, alone):
    lines, _ = export("dpo", *ids(kept), **alone)
    trees, _ = export("jsonl", *ids(kept), **alone)
    thoughts = {(line["solve_id"], line["thought_id"]): line for line in trees}
    assert lines
    for line in lines:
        chosen, rejected = (thoughts[line["solve_id"], line[f"{which}_thought_id"]] for which in ("chosen", "rejected"))
        assert chosen["parent_id"] == rejected["parent_id"]
        assert (chosen["text"], rejected["text"]) == (line["chosen"], line["rejected"])
        assert (chosen["on_answer_path"], rejected["on_answer_path"]) == (True, False)
        assert line["reason"] == "answer_path"
    more, _ = export("dpo", "--margin", "0.5", *ids(kept), **alone)
    scored = [line for line in more if line["reason"] == "score"]
    assert [line for line in more if line["reason"] == "answer_path"] == lines
    assert scored
    assert all(line["chosen_score"] - line["rejected_score"] >= 0.5 for line in scored)


async def test_a_task_without_code_is_exported_from_what_the_solve_says_of_it(tmp_path):
    async with fleet(ScriptedModel(play)) as model:
        where = {"KOT_STATE_PATH": str(tmp_path / "kot.db"), "KOT_MODEL": "remote", "KOT_MODEL_TARGET": model}
        task = tmp_path / "ladder.yaml"
        task.write_text(EXAMPLE.read_text())
        ended = await asyncio.to_thread(kot, "solve", PROBLEM, "--prompts", task, "--json", **where)
        task.unlink()
        solve = json.loads(ended.stdout)
        assert solve["answer"] == ANSWER
        steps, _ = await asyncio.to_thread(export, "sft", solve["solve_id"], **where)
        assert [line["completion"] for line in steps] == solve["steps"]
        assert all(line["prompt"].endswith("Next:\n") and "Ladder: cold" in line["prompt"] for line in steps)
        pairs, said = await asyncio.to_thread(export, "dpo", solve["solve_id"], **where)
        assert pairs
        assert said == ""


def test_margins_are_for_preferences(kept, alone):
    ended = kot("export", ids(kept)[0], "--format", "sft", "--margin", "0.5", **alone)
    assert_plain(ended, 2)
    assert "--margin" in ended.stderr


# --- resume and watch -------------------------------------------------------------------------------------------------


def test_a_solve_whose_budget_is_spent_goes_on_under_a_larger_one(tmp_path):
    where = {"KOT_STATE_PATH": str(tmp_path / "kot.db")}
    command = ["solve", "1 1 1 1", "--concurrency", "level", "--max-seconds", "50"]
    ended = kot(*command, "--max-model-calls", "30", **where)
    assert_plain(ended, 1)
    solve_id = json.loads(kot("list", "--json", **where).stdout)["solves"][0]["solve_id"]
    assert ended.stdout.splitlines()[-1] == f"`kot resume {solve_id}` goes on from here"
    resumed = kot("resume", solve_id, "--max-model-calls", "90", "--json", **where)
    assert_plain(resumed, 1)
    at_once = solved(*command[1:], "--max-model-calls", "90", **where)
    document = json.loads(resumed.stdout)
    assert (document["status"], document["steps"]) == ("MODEL_CALLS_SPENT", at_once["steps"])
    assert 30 < document["usage"]["model_calls"] <= 90
    watched = kot("watch", solve_id, "--json", **where)
    assert watched.stdout == resumed.stdout


def test_a_solve_that_was_interrupted_goes_on(tmp_path):
    where = {"KOT_STATE_PATH": str(tmp_path / "kot.db")}
    with subprocess.Popen(
        [*KOT, "solve", "1 1 1 1", *ENDLESS, "--max-seconds", "4"],
        env=environment(**where),
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as solving:
        solve_id = _wait_until_listed(**where)
        time.sleep(0.2)
        solving.send_signal(signal.SIGINT)
        out, _ = solving.communicate(timeout=30)
    assert solving.returncode == 3
    assert out.splitlines()[-1] == f"`kot resume {solve_id}` goes on from here"
    resumed = kot("resume", solve_id, "--json", **where)
    assert_plain(resumed, 1)
    assert json.loads(resumed.stdout)["status"] == "WALL_TIME_SPENT"


def _wait_until_listed(status="RUNNING", *flags, **where):
    """Return the id of the last solve, when it stands so."""
    for _ in range(200):
        ended = kot("list", "--json", *flags, **where)
        solves = json.loads(ended.stdout)["solves"] if ended.returncode == 0 else []
        if solves and solves[0]["status"] == status:
            return solves[0]["solve_id"]
        time.sleep(0.05)
    raise AssertionError(ended)


def test_who_watches_may_leave_and_the_solve_does_not_mind(tmp_path):
    where = {"KOT_STATE_PATH": str(tmp_path / "kot.db")}
    command = [*KOT, "solve", "1 1 1 1", *ENDLESS, "--max-seconds", "15"]
    with subprocess.Popen(command, env=environment(**where), stdout=subprocess.PIPE, encoding="utf-8") as solving:
        solve_id = _wait_until_listed(**where)
        with terminal("watch", solve_id, **where) as (watching, screen):
            assert "├──" in read_until(screen, "├──")
            watching.send_signal(signal.SIGINT)
            seen = read_until(screen, "never written")
            assert watching.wait(30) == 3
        assert f"`kot watch {solve_id}` goes on with it" in seen
        out, _ = solving.communicate(timeout=60)
    assert solving.returncode == 1
    assert out.startswith("not found within the budget of seconds")


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["resume", "watch", "tree", "export"])
@pytest.mark.parametrize("where", ["embedded", "target"])
def test_an_unknown_id_is_refused(kept, target, command, where):
    flags = ["--target", target] if where == "target" else []
    empty = kot(command, "", *flags, **kept[1])
    assert_plain(empty, 2)
    ended = kot(command, "nothing", *flags, **kept[1])
    assert_plain(ended, 2)
    assert "'nothing'" in ended.stderr
    assert "kot list" in ended.stderr
    assert ended.stdout == ""


@pytest.fixture(scope="module")
def target(kept):
    with serving(**kept[1]) as (_, address, _):
        yield address


@pytest.mark.parametrize("command", [["watch"], ["resume"], ["tree"], ["export"], ["list", "--before"]])
@pytest.mark.parametrize("wrong", [b"\xff", b"x" * 65, b"\x1b[2J"])
def test_what_is_no_id_is_refused(target, command, wrong):
    ended = kot(*command, wrong, "--target", target)
    assert_plain(ended, 2)
    assert ended.stdout == ""


def test_a_target_shows_what_the_file_has(kept, alone, target):
    [solve, *_], _ = kept
    for command in ["list"], ["tree", solve["solve_id"]], ["export", solve["solve_id"]], ["watch", solve["solve_id"]]:
        there = kot(*command, "--target", target, **alone)
        assert_plain(there, 0)
        assert there.stdout == kot(*command, **kept[1]).stdout


@pytest.mark.parametrize("command", [["list"], ["watch", "id"], ["solve", "1 1 11 11"]])
def test_a_damaged_file_is_named(tmp_path, command):
    path = tmp_path / "kot.db"
    path.write_bytes(b"no database at all" * 1000)
    ended = kot(*command, KOT_STATE_PATH=str(path))
    assert_plain(ended, 4)
    assert str(path) in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert path.read_bytes() == b"no database at all" * 1000


def test_a_history_of_other_prompts_is_refused_and_still_read(tmp_path):
    where = {"KOT_STATE_PATH": str(tmp_path / "kot.db")}
    solve = solved("1 1 1 1", "--max-model-calls", "20", **where)
    ended = kot("resume", solve["solve_id"], "--max-model-calls", "40", KOT_PROMPT_STYLE="few_shot", **where)
    assert_plain(ended, 4)
    assert "propose bare" in ended.stderr
    assert "propose few_shot" in ended.stderr
    assert "`kot tree`" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert_plain(kot("tree", solve["solve_id"], KOT_PROMPT_STYLE="few_shot", **where), 0)


def test_what_is_not_kept_is_not_offered():
    ended = kot("solve", "1 1 1 1", "--max-model-calls", "5", KOT_LOG="memory", KOT_TREE="none")
    assert_plain(ended, 1)
    assert "kot resume" not in ended.stdout


def test_doctor_says_which_stores_are_there(tmp_path):
    path = tmp_path / "kot.db"
    ended = kot("doctor", KOT_STATE_PATH=str(path), KOT_CACHE="none")
    assert_plain(ended, 0)
    for line in f"✔ log               sqlite at {path}", f"✔ tree              sqlite at {path}", "✔ bus ", "· cache ":
        assert line in ended.stdout
    path.write_bytes(b"no database at all" * 1000)
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    ended = kot("doctor", KOT_STATE_PATH=str(path), KOT_BUS="redis", KOT_CACHE="redis", KOT_REDIS_URL=nowhere)
    assert_plain(ended, 4)
    for line in "✘ log ", "✘ tree ", "✘ bus ", "✘ cache ":
        assert line in ended.stdout
    assert ended.stdout.count("damaged") == 2


# --- processes that end -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def slow_model(**changes):
    """A model that takes its time, for processes: gives it, and the environment that names it."""
    model = FaultyModel(delay=0.1)
    async with fleet(model) as address:
        yield model, {"KOT_MODEL": "remote", "KOT_MODEL_TARGET": address, "KOT_LEASE_SECONDS": "3"} | changes


@asynccontextmanager
async def begun(*arguments, **where):
    """A process of `kot`; killed in the end if it is still there."""
    process = await asyncio.create_subprocess_exec(
        *KOT, *arguments, env=environment(**where), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def in_the_middle(model):
    async with asyncio.timeout(30):
        while model.finished < 8:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


SLOW = ["--concurrency", "sequential", "--strategy", "dfs"]


async def test_a_solve_whose_process_is_killed_is_listed_and_goes_on_to_the_same_end(tmp_path):
    undisturbed = await asyncio.to_thread(solved, "1 1 11 11", *SLOW, KOT_LOG="memory", KOT_TREE="none")
    async with slow_model(KOT_STATE_PATH=str(tmp_path / "kot.db")) as (model, where):
        async with begun("solve", "1 1 11 11", *SLOW, **where) as solving:
            await in_the_middle(model)
            solving.kill()
            await solving.wait()
        asked = model.finished
        listed = json.loads((await asyncio.to_thread(kot, "list", "--json", **where)).stdout)["solves"]
        assert [solve["problem"] for solve in listed] == ["1 1 11 11"]
        assert listed[0]["status"] in ("RUNNING", "PARKED")
        resumed = await asyncio.to_thread(kot, "resume", listed[0]["solve_id"], "--json", **where)
        assert_plain(resumed, 0)
        document = json.loads(resumed.stdout)
        assert [document[name] for name in ("status", "answer", "steps")] == [
            undisturbed[name] for name in ("status", "answer", "steps")
        ]
        # The expansion that was under way is asked for again; what was told before is not.
        assert model.finished - asked < undisturbed["usage"]["model_calls"]
        listed = json.loads((await asyncio.to_thread(kot, "list", "--json", **where)).stdout)["solves"]
        assert [solve["status"] for solve in listed] == ["SOLVED"]


async def test_a_solve_that_runs_elsewhere_is_not_taken_away(tmp_path):
    async with (
        slow_model(KOT_STATE_PATH=str(tmp_path / "kot.db")) as (model, where),
        begun("solve", "1 1 1 1", *SLOW, "--max-seconds", "20", **where) as solving,
    ):
        await in_the_middle(model)
        listed = json.loads((await asyncio.to_thread(kot, "list", "--json", **where)).stdout)["solves"]
        refused = await asyncio.to_thread(kot, "resume", listed[0]["solve_id"], **where)
        assert_plain(refused, 4)
        assert "another process runs solve" in refused.stderr
        assert "kot watch" in refused.stderr
        assert solving.returncode is None


async def test_a_server_that_is_told_to_stop_parks_and_the_next_goes_on(tmp_path):
    port = free_port()
    async with slow_model(KOT_STATE_PATH=str(tmp_path / "kot.db"), KOT_DRAIN_SECONDS="0.2") as (model, where):
        with serving(port, **where) as (server, target, _):
            async with begun("solve", "1 1 11 11", *SLOW, "--target", target, **where) as solving:
                await in_the_middle(model)
                solving.kill()
                await solving.wait()
                server.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(server.wait, 30) == 0
        [parked] = json.loads((await asyncio.to_thread(kot, "list", "--json", **where)).stdout)["solves"]
        assert (parked["status"], parked["message"]) == ("PARKED", "its process ends")
        with serving(port, **where) as (_, target, _):
            watched = await asyncio.to_thread(kot, "watch", parked["solve_id"], "--target", target, "--json", **where)
        assert_plain(watched, 0)
        assert json.loads(watched.stdout)["status"] == "SOLVED"


async def test_a_solve_goes_on_when_its_server_is_replaced_and_its_client_need_not_care(tmp_path):
    port = free_port()
    async with slow_model(KOT_STATE_PATH=str(tmp_path / "kot.db"), KOT_DRAIN_SECONDS="0.2") as (model, where):
        with serving(port, **where) as (server, target, _):
            async with begun("solve", "1 1 11 11", *SLOW, "--target", target, "--json", **where) as solving:
                await in_the_middle(model)
                server.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(server.wait, 30) == 0
                with serving(port, **where):
                    out, err = await solving.communicate()
        assert (solving.returncode, err) == (0, b"")
        assert json.loads(out)["status"] == "SOLVED"
        listed = json.loads((await asyncio.to_thread(kot, "list", "--json", **where)).stdout)["solves"]
        assert [solve["solve_id"] for solve in listed] == [json.loads(out)["solve_id"]]


async def test_a_server_that_never_comes_back_is_given_up_and_said_how_to_go_on(tmp_path):
    async with slow_model(KOT_STATE_PATH=str(tmp_path / "kot.db"), KOT_COLD_START_TIMEOUT="2") as (model, where):
        with serving(**where) as (server, target, _):
            flags = ["--max-seconds", "1.5", "--target", target]
            async with begun("solve", "1 1 1 1", *SLOW, *flags, **where) as solving:
                await in_the_middle(model)
                server.kill()
                out, err = await solving.communicate()
        assert (solving.returncode, out) == (4, b"")
        hint, error = err.decode().splitlines()
        assert hint.startswith("`kot watch ")
        assert hint.endswith(f" --target {target}` goes on with it")
        assert target in error


# --- streams that are cut ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "budget"), [(1, "5"), (5, "13")])
async def test_a_stream_that_is_cut_again_and_again_is_one_whole_solve(tmp_path, seconds, budget):
    async with slow_model(KOT_STATE_PATH=str(tmp_path / "kot.db")) as (_, where):
        with serving(**where) as (_, target, _):
            async with cutting_proxy(target, seconds) as proxy:
                flags = [*SLOW, "--max-seconds", budget, "--target", proxy.target]
                async with begun("solve", "1 1 1 1", *flags, **where) as solving:
                    out, err = await solving.communicate()
                assert proxy.cuts >= 2
            listed = json.loads((await asyncio.to_thread(kot, "list", "--json", "--target", target, **where)).stdout)[
                "solves"
            ]
            [solve] = listed
            direct = await asyncio.to_thread(kot, "watch", solve["solve_id"], "--target", target, **where)
    assert (solving.returncode, err) == (1, b"")
    assert direct.stdout.splitlines()[:-1] == out.decode().splitlines()[:-1]
    assert solve["solve_id"] in direct.stdout.splitlines()[-2]


async def test_watching_and_resuming_begin_again_too(tmp_path):
    async with slow_model(KOT_STATE_PATH=str(tmp_path / "kot.db")) as (_, where):
        with serving(**where) as (_, target, _):
            flags = [*SLOW, "--max-seconds", "1", "--target", target]
            solve = await asyncio.to_thread(solved, "1 1 1 1", *flags, **where)
            async with cutting_proxy(target, 1) as proxy:
                async with (
                    begun(
                        *["resume", solve["solve_id"], "--max-seconds", "5", "--json", "--target", proxy.target],
                        **where,
                    ) as resuming,
                ):
                    await asyncio.to_thread(_wait_until_listed, "RUNNING", "--target", target, **where)
                    async with begun(
                        *["watch", solve["solve_id"], "--json", "--target", proxy.target], **where
                    ) as watching:
                        seen = [await watching.communicate(), await resuming.communicate()]
                assert proxy.cuts >= 2
    assert [(error, watching.returncode) for _, error in seen] == [(b"", 1)] * 2
    first, second = (json.loads(out) for out, _ in seen)
    assert first == second
    assert first["elapsed_seconds"] >= 5


def test_what_is_measured_is_not_kept(tmp_path):
    puzzles = tmp_path / "puzzles.csv"
    puzzles.write_text("puzzle\n1 1 11 11\n")
    done = kot("bench", "--puzzles", puzzles, "--strategy", "bfs", KOT_STATE_PATH=str(tmp_path / "kot.db"))
    assert done.returncode == 0, done
    assert not (tmp_path / "kot.db").exists()
