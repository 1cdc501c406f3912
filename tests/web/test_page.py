"""The page in a browser: Chromium, without a screen."""

import re
import shutil
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from fleet import SOLVABLE, UNSOLVABLE, fleet, scripted, socket
from kot import free_port
from page import Slow, page, traced
from word_ladder import play

from services.adapters.llm.scripted import ScriptedModel
from services.generator import wiring as generator
from services.rpc.server import serving
from services.settings import StateSettings
from services.tasks.game24 import script as game24
from services.web.serving import serving_page

playwright = pytest.importorskip("playwright.async_api", reason="needs the extra `browser`: make test-all installs it")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: make test-all installs it for root where apt-get is"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 20_000
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 740}
HOSTILE = "<img src=x onerror='document.title=\"taken\"'><script>document.title='taken'</script>"


@asynccontextmanager
async def opened(address, path="/", *, viewport=DESK, **options):
    """Give the page in a browser with an empty profile; a script that fails, or breaks the policy, fails the test."""
    async with playwright.async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await chromium.new_context(viewport=viewport, **options)
        context.set_default_timeout(PATIENCE_MS)
        tab = await context.new_page()
        complaints = []
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        await tab.goto(address + path)
        yield tab
        await chromium.close()
    # What the server refuses, the browser notes by itself.
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def kept(folder):
    """Solves that go on for a while when nobody watches, as they do by default."""
    return StateSettings(state_path=folder / "kot.db", detach_grace=10)


async def solve(tab, problem, **fields):
    """Fill the form in and send it; `fields` are those of the budget."""
    await tab.fill("#field-problem", problem)
    if fields:
        await tab.evaluate("document.querySelectorAll('aside details').forEach((each) => { each.open = true; })")
    for name, value in fields.items():
        await tab.fill(f'[id="field-budget.{name}"]', str(value))
    await tab.click("aside button.primary")


async def solve_for_long(tab):
    await solve(tab, UNSOLVABLE, completion_tokens=10**9, model_calls=10**7, wall_seconds=100)
    await tab.wait_for_selector(".pill.running")


async def thoughts(tab):
    return int((await tab.inner_text(".figures div:first-child dd")).replace(",", ""))


async def wait_for_more_thoughts(tab, than):
    await tab.wait_for_function(
        "than => Number(document.querySelector('.figures dd')?.textContent.replace(',', '')) > than", arg=than
    )
    return await thoughts(tab)


async def painted(tab):
    """How many of the tree's pixels have a colour."""
    return await tab.evaluate(
        """() => {
          const tree = document.querySelector('canvas.tree');
          const { data } = tree.getContext('2d').getImageData(0, 0, tree.width, tree.height);
          return data.filter((value, index) => index % 4 === 3 && value).length;
        }"""
    )


async def test_a_solve_grows_its_tree_and_shows_its_answer():
    async with page(Slow(seconds=0.3)) as address, opened(address) as tab:
        await solve(tab, SOLVABLE)
        await tab.wait_for_selector(".pill.running")
        before = await painted(tab)
        some = await wait_for_more_thoughts(tab, 1)
        assert await tab.is_hidden(".solution .answer")
        more = await wait_for_more_thoughts(tab, some)
        answer = await tab.inner_text(".solution .answer")
        assert answer.endswith("= 24")
        assert len(await tab.query_selector_all(".solution .steps li")) >= 3
        assert await tab.inner_text(".pill") == "solved"
        assert more > some > 1
        await tab.wait_for_timeout(500)
        assert await painted(tab) > before
        # Rows that are out of sight are not laid out.
        await tab.locator(".row.answer").scroll_into_view_if_needed()
        await tab.wait_for_function("() => document.querySelector('.row.answer').innerText.includes('answer')")


async def test_a_solve_is_cancelled_and_another_goes_on():
    async with page(Slow()) as address, opened(address) as tab:
        await solve_for_long(tab)
        await tab.click("text=Cancel")
        await tab.wait_for_selector(".pill:has-text('cancelled')")
        await solve(tab, SOLVABLE)
        assert (await tab.inner_text(".solution .answer")).endswith("= 24")


async def test_a_reload_midway_goes_on_watching(tmp_path):
    async with page(Slow(seconds=0.2), state=kept(tmp_path)) as address, opened(address) as tab:
        await solve_for_long(tab)
        some = await wait_for_more_thoughts(tab, 1)
        place = tab.url
        assert re.search(r"#/solve/[0-9a-f]{32}$", place)
        await tab.reload()
        await tab.wait_for_selector(".pill.running")
        assert tab.url == place
        await wait_for_more_thoughts(tab, some)
        await tab.click("text=Cancel")
        await tab.wait_for_selector(".pill:has-text('cancelled')")


async def test_a_server_of_the_page_that_is_replaced_is_found_again(tmp_path):
    port = free_port()
    async with fleet(Slow(seconds=0.2), state=kept(tmp_path)) as target, AsyncExitStack() as tabs:
        async with serving_page(target, "127.0.0.1", port) as address:
            tab = await tabs.enter_async_context(opened(address))
            await solve_for_long(tab)
            some = await wait_for_more_thoughts(tab, 1)
        await tab.wait_for_selector(".alert:has-text('trying again')")
        async with serving_page(target, "127.0.0.1", port):
            await wait_for_more_thoughts(tab, some)
            await tab.wait_for_selector(".solve > .alert", state="hidden")
            await tab.click("text=Cancel")
            await tab.wait_for_selector(".pill:has-text('cancelled')")


async def test_a_solve_that_was_parked_is_shown_and_gone_on_with():
    async with page(Slow()) as address, opened(address) as tab:
        await solve_for_long(tab)
        some = await wait_for_more_thoughts(tab, 1)
        place = tab.url
        await tab.goto(f"{address}/#/solves")
        # Nobody follows it now, and here there is no grace.
        for _ in range(50):
            await tab.reload()
            if await tab.inner_text("tbody .pill") == "parked":
                break
        await tab.goto(place)
        await tab.wait_for_selector(".pill.parked")
        assert await thoughts(tab) >= some
        await tab.focus("canvas.tree")
        await tab.keyboard.press("Home")
        await tab.keyboard.press("ArrowRight")
        await tab.wait_for_selector(f".origin .prompt:text('Input: {UNSOLVABLE}')")
        await tab.click("text=Go on…")
        await tab.click(".resume button.primary")
        await tab.wait_for_selector(".pill.running")
        await tab.click("text=Cancel")
        await tab.wait_for_selector(".pill:has-text('cancelled')")


async def test_a_larger_budget_goes_on_to_the_answer():
    async with page() as address, opened(address) as tab:
        await solve(tab, SOLVABLE, model_calls=1)
        await tab.wait_for_selector(".pill:has-text('out of model calls')")
        await tab.click("text=Go on…")
        await tab.fill(".resume label:has-text('Model calls') input", "1000")
        await tab.click(".resume button.primary")
        assert (await tab.inner_text(".solution .answer")).endswith("= 24")
        assert await tab.is_hidden("text=Go on…")


async def test_a_prompt_that_was_edited_is_what_the_model_is_asked():
    asked = []

    def write(prompt, seed):
        asked.append(prompt)
        return play(prompt, seed)

    async with page(ScriptedModel(write)) as address, opened(address) as tab:
        await tab.click("summary:has-text('Prompts')")
        await tab.click("text=Start from a word ladder")
        propose = '[id="field-definition.propose"]'
        await tab.fill(propose, "EDITED BY HAND. " + await tab.input_value(propose))
        await tab.click("text=Take the example")
        await tab.click("aside button.primary")
        assert await tab.inner_text(".solution .answer") == "cold, cord, card, ward, warm"
    assert any(prompt.startswith("EDITED BY HAND. ") for prompt in asked)


async def test_a_tasks_own_prompts_are_shown_and_edited():
    asked = []

    def write(prompt, seed):
        asked.append(prompt)
        return game24.answer(prompt, seed)

    async with page(ScriptedModel(write)) as address, opened(address) as tab:
        await tab.click("summary:has-text('Prompts')")
        shown = "label:has-text('Propose') textarea[readonly]"
        assert await tab.input_value(shown) == "Input: 1 1 11 11\nNext:\n"
        await tab.click("text=Edit these prompts")
        propose = '[id="field-definition.propose"]'
        assert await tab.input_value(propose) == "Input: {problem}\n{steps}\nNext:\n"
        await tab.fill(propose, "EDITED\n{problem}\n{steps}\n")
        await solve(tab, SOLVABLE, model_calls=20)
        await tab.wait_for_selector(".pill:not(.running):not(.connecting)")
    assert any(prompt.startswith(f"EDITED\n{SOLVABLE}\n") for prompt in asked)


@pytest.mark.parametrize(
    ("fill", "field", "says"),
    [
        ({}, "problem", "4 numbers"),
        ({"budget.nodes": "0"}, "budget.nodes", "1"),
        ({"sampling.temperature": "3"}, "sampling.temperature", "2"),
        ({"settings.beam_width": "2.5"}, "settings.beam_width", "whole number"),
    ],
)
async def test_wrong_input_is_explained_beside_its_field(fill, field, says):
    async with page() as address, opened(address) as tab:
        await tab.select_option("#field-strategy", "bfs")
        await tab.evaluate("document.querySelectorAll('aside details').forEach((each) => { each.open = true; })")
        for name, value in fill.items():
            await tab.fill(f'[id="field-{name}"]', value)
        await tab.fill("#field-problem", "1 2 3" if field == "problem" else SOLVABLE)
        await tab.click("aside button.primary")
        around = f'.field:has([id="field-{field}"])'
        await tab.wait_for_selector(f"{around} .wrong")
        assert says in await tab.inner_text(f"{around} .wrong")
        assert await tab.get_attribute(f'[id="field-{field}"]', "aria-invalid") == "true"
        assert await tab.evaluate("document.activeElement.id") == f"field-{field}"
        await tab.fill(f'[id="field-{field}"]', SOLVABLE if field == "problem" else "1")
        await tab.click("aside button.primary")
        await tab.wait_for_selector(".pill:not(.running):not(.connecting)")


async def test_hostile_text_stays_text():
    model = ScriptedModel(lambda prompt, _: f"{HOSTILE}\nsure")
    async with page(model) as address, opened(address) as tab:
        await tab.click("summary:has-text('Prompts')")
        await tab.click("text=Start from a word ladder")
        await tab.fill('[id="field-definition.name"]', HOSTILE[:60])
        await solve(tab, HOSTILE, model_calls=20)
        await tab.wait_for_selector(".pill:has-text('out of')")
        assert await tab.inner_text("h1.problem") == HOSTILE
        await tab.focus("canvas.tree")
        await tab.keyboard.press("Home")
        await tab.keyboard.press("ArrowRight")
        assert await tab.inner_text(".detail .text") == HOSTILE
        await tab.wait_for_selector(".origin .prompt")
        prompts = await texts(tab, ".origin .prompt")
        assert len(prompts) == 2
        assert all(HOSTILE in prompt for prompt in prompts)
        assert HOSTILE in await tab.text_content(".log")
        await tab.goto(f"{address}/#/solves")
        assert await tab.inner_text("tbody th") == HOSTILE
        assert await tab.evaluate("[document.title, document.images.length, document.scripts.length]") == [
            "Kube of Thoughts",
            1,
            1,
        ]


async def test_the_log_names_pods_and_a_click_shows_where_a_thought_came_from(monkeypatch):
    model = scripted()
    async with AsyncExitStack() as running:
        monkeypatch.setenv("HOSTNAME", "generator-7")
        there = await running.enter_async_context(socket())
        await running.enter_async_context(serving(generator.mounts(model), there, drain_seconds=1))
        monkeypatch.setenv("HOSTNAME", "front-1")
        await running.enter_async_context(traced())
        links = "http://localhost:16686/trace/{trace}"
        address = await running.enter_async_context(page(model, generator=there, trace_url=links))
        tab = await running.enter_async_context(opened(address))
        await solve(tab, SOLVABLE)
        await tab.wait_for_selector(".pill.solved")
        pods = {
            kind: set(await tab.locator(f".row.{kind} .pod").all_text_contents())
            for kind in ("proposed", "evaluated", "answer", "expanded")
        }
        assert pods == {
            "proposed": {"generator-7"},
            "evaluated": {"front-1"},
            "answer": {"front-1"},
            "expanded": {"front-1"},
        }
        await tab.mouse.click(*await find_thought(tab))
        await tab.wait_for_selector(".origin .trace")
        await tab.focus("canvas.tree")
        await tab.keyboard.press("Home")
        await tab.keyboard.press("ArrowRight")
        await tab.wait_for_selector(f".origin .prompt:text('Input: {SOLVABLE}')")
        assert await tab.inner_text(".origin section:has-text('Prompt') .prompt") == f"Input: {SOLVABLE}\nNext:\n"
        assert "(left: " in await tab.inner_text("h4:text('Completion') + .text")
        facts = dict(zip(await texts(tab, ".origin dt"), await texts(tab, ".origin dd"), strict=True))
        assert facts["proposed by"] == "generator-7"
        assert facts["judged by"] == "front-1"
        assert facts["told after"].endswith(" s")
        assert int(facts["completion tokens"]) > 0
        assert "from the cache" in facts
        link = tab.locator(".origin a.trace")
        assert re.fullmatch(r"http://localhost:16686/trace/[0-9a-f]{32}", await link.get_attribute("href"))
        assert await link.get_attribute("rel") == "noopener noreferrer"


async def texts(tab, selector):
    return await tab.locator(selector).all_inner_texts()


async def test_the_tree_is_walked_with_the_keyboard():
    async with page() as address, opened(address) as tab:
        await solve(tab, SOLVABLE)
        await tab.wait_for_selector(".pill.solved")
        await tab.focus("canvas.tree")
        said = "document.getElementById(document.querySelector('canvas').getAttribute('aria-activedescendant'))"
        await tab.keyboard.press("Home")
        assert await tab.inner_text(".detail h3") == "The problem"
        await tab.keyboard.press("ArrowRight")
        first = await tab.inner_text(".detail .text")
        assert await tab.evaluate(f"{said}.ariaLevel") == "2"
        await tab.keyboard.press("ArrowDown")
        assert await tab.inner_text(".detail .text") != first
        await tab.keyboard.press("ArrowUp")
        assert await tab.inner_text(".detail .text") == first
        await tab.keyboard.press("ArrowLeft")
        await tab.keyboard.press("Enter")
        assert await tab.evaluate(f"{said}.ariaExpanded") == "false"
        await tab.keyboard.press("End")
        assert await tab.inner_text(".detail .status") == "answer"
        assert "answer" in await tab.evaluate(f"{said}.ariaLabel")
        await tab.keyboard.press("Escape")
        assert await tab.is_hidden(".detail")


async def test_the_tree_is_used_with_a_mouse():
    async with page() as address, opened(address) as tab:
        await solve(tab, SOLVABLE)
        await tab.wait_for_selector(".pill.solved")
        await tab.wait_for_timeout(800)
        spot = await find_thought(tab)
        await tab.mouse.click(*spot)
        await tab.wait_for_selector(".detail")
        await tab.click(".detail button[aria-label=Close]")
        before = await canvas(tab)
        await tab.mouse.wheel(0, -400)
        await tab.wait_for_timeout(200)
        near = await canvas(tab)
        assert near != before, "the wheel zooms a tree that was chosen"
        await tab.mouse.move(spot[0], 850)
        await tab.mouse.down()
        await tab.mouse.move(spot[0] + 60, 800, steps=5)
        await tab.mouse.up()
        await tab.wait_for_timeout(200)
        assert await canvas(tab) != near, "a drag moves it"
        await tab.click("text=status")
        assert "rejected" in await tab.inner_text(".legend")
        whole = await canvas(tab)
        await tab.click("button[aria-label='Fold all']")
        await tab.wait_for_timeout(800)
        assert await canvas(tab) != whole


async def canvas(tab):
    """What the tree looks like."""
    return await tab.evaluate("() => document.querySelector('canvas.tree').toDataURL()")


async def find_thought(tab):
    """Where a thought is: where the pointer says that there is something to click."""
    box = await tab.locator("canvas.tree").bounding_box()
    for y in range(int(box["y"]) + 8, int(box["y"] + box["height"]), 9):
        for x in range(int(box["x"]) + 40, int(box["x"] + box["width"]), 120):
            await tab.mouse.move(x, y)
            if await tab.evaluate("() => document.querySelector('canvas.tree').classList.contains('pointing')"):
                return x, y
    pytest.fail("no thought is where the pointer goes")


async def test_two_solves_stand_side_by_side():
    async with page() as address, opened(address) as tab:
        for strategy in ("bfs", "dfs"):
            await tab.select_option("#field-strategy", strategy)
            await solve(tab, SOLVABLE)
            await tab.wait_for_selector(f".solve:has(.about:text('{strategy}')) .pill.solved")
        await tab.click("text=Past solves")
        await tab.wait_for_selector("tbody tr:nth-child(2)")
        for box in await tab.query_selector_all("tbody input"):
            await box.check()
        await tab.click(".solves button.primary")
        await tab.wait_for_function("() => document.querySelectorAll('.solve .pill.solved').length === 2")
        boxes = [await each.bounding_box() for each in await tab.query_selector_all(".solve")]
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        assert len({await each.inner_text() for each in await tab.query_selector_all(".about")}) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_needs_no_sideways_scrolling(scheme):
    async with page() as address, opened(address, viewport=PHONE, color_scheme=scheme) as tab:
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        await tab.wait_for_selector("#field-problem")
        assert await tab.evaluate(overflow) <= 0
        await solve(tab, SOLVABLE, wall_seconds=50)
        await tab.wait_for_selector(".pill.solved")
        await tab.focus("canvas.tree")
        await tab.keyboard.press("Home")
        assert await tab.evaluate(overflow) <= 0
        await tab.goto(f"{address}/#/solves")
        await tab.wait_for_selector("tbody tr")
        assert await tab.evaluate(overflow) <= 0
