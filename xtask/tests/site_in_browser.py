"""The sites of made-up runs in headless Chromium, opened from disk with the network off. Started by a test of the program
that makes them (notebooks/src/bin/site/main.rs):

    python site_in_browser.py RUN_WITH_HOSTILE_TEXTS LARGE_RUN RUN_WITHOUT_TABLES
"""

import statistics
import sys
import time
import unittest
from pathlib import Path

import chromium

OPEN_MS = 2000
FILTER_MS = 100
MOST_BYTES = 10_000_000
# how often a time is taken: other programs may have the machine
N_TIMES = 5


def bytes_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@unittest.skipIf(chromium.MISSING, chromium.MISSING)
class Sites(unittest.TestCase):
    odd = large = bare = None

    @classmethod
    def setUpClass(cls):
        cls.page = chromium.Page()
        cls.addClassCleanup(cls.page.close)

    def setUp(self):
        self.page.size(1280, 800)
        self.page.scheme("light")
        self.page.scripts(True)

    def tearDown(self):
        self.assertEqual(self.page.problems(), [])

    def ready(self, run, anchor=""):
        self.page.open(run / "site/latents.html", anchor)
        self.page.until("document.body.classList.contains('ready')")

    def test_the_first_screen_says_what_was_found(self):
        self.page.open(self.odd / "site/index.html")
        self.page.until("document.querySelector('.figure.drawn')")
        visible = "(of) => { const box = document.querySelector(of).getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight }"
        for of in ["h1", ".figure", "ul.numbers"]:
            self.assertTrue(self.page.js(f"({visible})({of!r})"), of)
        self.assertIn("turned both", self.page.js("document.querySelector('h1').textContent"))
        self.assertEqual(self.page.js("document.querySelector('.brand bdi').textContent"), self.odd.name)

    def test_a_point_of_a_figure_says_which_latent_it_is_and_leads_to_it(self):
        self.page.open(self.odd / "site/08_rotation.html")
        self.page.js("document.querySelector('.figure').scrollIntoView({block: 'center'})")
        self.page.until("document.querySelector('.figure.drawn .scatterlayer path')")
        place = ("(() => { const all = document.querySelectorAll('.figure .scatterlayer .trace:nth-last-of-type(2) path.point');"
                 "const box = all[0].getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()")
        said = "document.querySelector('.hoverlayer')?.textContent ?? ''"
        for _ in range(20):
            x, y = self.page.js(place)
            self.page.mouse("mouseMoved", x - 3, y)
            time.sleep(0.2)
            self.page.mouse("mouseMoved", x, y)
            time.sleep(0.3)
            if "latent" in self.page.js(said):
                break
        self.assertRegex(self.page.js(said), r"turned on \w+latent \d+.*DF.*cos\(D, DF\): 0\.\d{3}cos\(M, MF\): 0\.\d{3}")
        self.page.mouse("mousePressed", x, y, "left")
        self.page.mouse("mouseReleased", x, y, "left")
        self.page.until("location.pathname.endsWith('latents.html') && document.querySelector('article.pane')")

    def test_tables_are_searched_and_sorted_and_code_folds(self):
        self.page.open(self.odd / "site/08_rotation.html")
        rows = "[...document.querySelectorAll('[data-table] tbody tr')].filter((row) => !row.hidden).length"
        self.assertEqual(self.page.js(rows), 40)
        self.page.js("(() => { const box = document.querySelector('.search input'); box.value = 'mf'; box.dispatchEvent(new Event('input')) })()")
        n_shown = self.page.js(rows)
        self.assertTrue(0 < n_shown < 40, n_shown)
        self.page.js("document.querySelectorAll('[data-table] th button')[1].click(); document.querySelectorAll('[data-table] th button')[1].click()")
        first = self.page.js("document.querySelector('[data-table] tbody tr').cells[1].textContent")
        self.assertEqual(first, self.page.js("String(Math.max(...[...document.querySelectorAll('[data-table] tbody tr')].map((row) => Number(row.cells[1].textContent))))"))
        self.page.js("document.querySelector('button.fold').click()")
        self.assertEqual(self.page.js("document.querySelectorAll('details.code[open]').length"), 0)
        self.page.js("document.querySelector('button.fold').click()")

    def test_a_link_opens_its_latent_and_keys_go_on(self):
        self.ready(self.odd, "#seed=1&latent=37")
        self.assertEqual(self.page.js("document.querySelector('article.pane').dataset.latent"), "37")
        self.assertIn("seed 1", self.page.js("document.querySelector('article.pane h2').textContent"))
        self.assertEqual(self.page.js("document.querySelectorAll('.read').length"), 5)
        self.assertEqual(self.page.js("document.querySelectorAll('.contexts li').length"), 25)
        self.assertTrue(self.page.js("document.querySelectorAll('.contexts .t[style]').length > 25"), "strength is colour")
        self.page.js("document.querySelector('[data-view]').focus()")
        self.page.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowDown", code="ArrowDown")
        self.page.until("document.querySelector('article.pane')?.dataset.latent !== '37'")
        latent = self.page.js("document.querySelector('article.pane').dataset.latent")
        self.assertIn(f"latent={latent}", self.page.js("location.hash"))
        self.assertEqual(self.page.js("document.querySelector('tr[aria-selected=true]').dataset.latent"), latent)

    def test_a_link_to_nothing_says_so(self):
        for anchor, word in [("#seed=0&latent=9999", "no latent 9999"), ("#seed=7&latent=1", "names a seed"),
                             ("#latent=<img src=x onerror=alert(1)>", "no latent <img")]:
            self.ready(self.odd, anchor)
            self.assertIn(word, self.page.js("document.querySelector('[data-panes]').textContent"))

    def test_filters_narrow_the_table_and_the_scatter(self):
        self.ready(self.odd)
        count = "Number(document.querySelector('[data-count]').textContent.split(' ')[0])"
        search = "(text) => { const box = document.querySelector('[data-query]'); box.value = text; box.dispatchEvent(new Event('input')) }"
        self.assertEqual(self.page.js(count), 150)
        for query, keep in [("x<0.9", "columns.cos_x[at] < 0.9"), ("q<0.5 rate>0.1", "columns.q[at] < 0.5 && columns.rate_DF[at] > 0.1"), ("🦀", "texts[at].includes('🦀')"), ('"<img src"', "texts[at].includes('<img src')")]:
            self.page.js(f"({search})({query!r})")
            wanted = self.page.js(f"(() => {{ const {{ columns, texts, n }} = stagediff.browser.state.set; return [...Array(n).keys()].filter((at) => {keep}).length }})()")
            self.assertEqual(self.page.js(count), wanted, query)
            self.assertTrue(0 < wanted < 150, query)
        self.page.js(f"({search})('')")
        box = self.page.js("(() => { const { x, y, width, height } = document.querySelector('[data-scatter]').getBoundingClientRect(); return [x, y, width, height] })()")
        x, y, width, height = box
        self.page.mouse("mouseMoved", x + 60, y + height - 50)
        self.page.mouse("mousePressed", x + 60, y + height - 50, "left")
        self.page.mouse("mouseMoved", x + width * 0.7, y + height * 0.4, "left")
        self.page.mouse("mouseReleased", x + width * 0.7, y + height * 0.4, "left")
        self.page.until("document.querySelector('[data-count]').textContent.includes('chosen')")
        self.assertTrue(0 < self.page.js(count) < 150)

    def test_two_latents_and_two_seeds_stand_side_by_side(self):
        self.ready(self.odd, "#seed=0&latent=3&with=1:5")
        self.assertEqual(self.page.js("[...document.querySelectorAll('article.pane')].map((pane) => pane.dataset.latent).join()"), "3,5")
        self.page.js("(() => { const box = document.querySelector('[data-beside]'); box.value = '0/1'; box.dispatchEvent(new Event('change')) })()")
        self.page.until("document.querySelectorAll('.canvases figure:not([hidden])').length === 2")
        self.ready(self.large, f"#seed=0&latent=3&with={self.odd.name.replace('&', '%26')}:1:5".replace(" ", "%20").replace('"', "%22"))
        self.assertEqual(self.page.js("document.querySelectorAll('article.pane').length"), 2, "of another run")

    def test_texts_of_data_are_texts(self):
        self.ready(self.odd, "#seed=0&latent=0")
        self.page.js("document.querySelector('.view').scrollTop = 900")
        for name in ["latents", "08_rotation", "index"]:
            if name != "latents":
                self.page.open(self.odd / f"site/{name}.html")
            self.assertEqual(self.page.js("document.querySelectorAll('main script, main img[src=x], main iframe, [onerror], [onmouseover], main a[href^=javascript]').length"), 0, name)
        self.ready(self.odd)
        tokens = set()
        for latent in range(13):
            self.page.js(f"location.hash = '#seed=0&latent={latent}'")
            self.page.until(f"document.querySelector('article.pane')?.dataset.latent === '{latent}'")
            tokens.update(self.page.js("[...document.querySelectorAll('article.pane bdi')].map((box) => box.textContent.slice(0, 99))"))
        text = "\n".join(tokens)
        for token in ["<script>alert(1)", "$x$", "🦀", "⇄gnirts", "∅", "·the", "⏎"]:
            self.assertIn(token, text)
        self.page.open(self.odd / "site/08_rotation.html")
        printed = self.page.js("document.querySelector('pre.output').textContent")
        self.assertIn("<script>alert(1)</script>", printed)
        self.assertNotIn("\u001b", printed)

    def test_pages_fit_a_phone(self):
        self.page.size(390, 844)
        for run in [self.odd, self.bare]:
            for path in sorted((run / "site").glob("*.html")):
                self.page.open(path, "#seed=0&latent=0" if path.stem == "latents" else "")
                time.sleep(0.5)
                wide = "[...document.querySelectorAll('main *')].filter((box) => !box.closest('.scroll, .view') && box.getBoundingClientRect().right > innerWidth + 1).map((box) => box.outerHTML.slice(0, 90)).slice(0, 3)"
                self.assertTrue(self.page.js("document.documentElement.scrollWidth <= innerWidth"), (path.name, self.page.js(wide)))
                self.assertEqual(self.page.problems(), [], path.name)

    def test_dark_is_dark_and_can_be_chosen(self):
        paper = "getComputedStyle(document.body).backgroundColor"
        self.page.scheme("dark")
        self.page.open(self.odd / "site/index.html")
        dark = self.page.js(paper)
        self.page.js("document.querySelector('button.theme').click()")
        light = self.page.js(paper)
        self.assertEqual((dark, light), ("rgb(22, 24, 28)", "rgb(252, 252, 251)"))
        self.page.js("localStorage.clear()")

    def test_without_scripts_figures_and_latents_are_there(self):
        self.page.scripts(False)
        for name, shown in [("index", "figure img"), ("08_rotation", "figure img"), ("latents", ".plain tbody tr")]:
            self.page.call("Page.navigate", url=(self.odd / f"site/{name}.html").resolve().as_uri())
            time.sleep(1)
            root = self.page.call("DOM.getDocument")["root"]["nodeId"]
            node = self.page.call("DOM.querySelector", nodeId=root, selector=shown)["nodeId"]
            self.assertTrue(self.page.call("DOM.getBoxModel", nodeId=node)["model"]["height"] > 10, name)

    def test_a_run_without_tables_says_which_notebooks_make_them(self):
        for name in ["index", "latents"]:
            self.page.open(self.bare / f"site/{name}.html")
            text = self.page.js("document.body.textContent")
            for word in ["tables/rotations", "--only 08", "tables/contexts", "--only 10", "--only 12"]:
                self.assertIn(word, text, name)

    def test_a_large_run_opens_and_filters_at_once(self):
        site = self.large / "site"
        # without those of the run beside it
        n_bytes = sum(bytes_of(site / name) for name in ["data/0", "data/texts/0", "assets/browser"]) + sum(
            (site / name).stat().st_size for name in ["latents.html", "data/browser.js", "assets/site.css", "assets/page.js", "assets/theme.js"])
        opened, filtered = [], []
        for _ in range(N_TIMES):
            began = time.monotonic()
            self.page.open(site / "latents.html", "#seed=0&latent=1500")
            self.page.until("document.body.classList.contains('ready')")
            opened.append(1000 * (time.monotonic() - began))
        search = "(text) => { const box = document.querySelector('[data-query]'); box.value = text; box.dispatchEvent(new Event('input')); return stagediff.browser.times.filter }"
        for query in ["w1", "w12", "w123", "x<0.9", "x<0.9 q<0.5", ""] * 2:
            filtered.append(self.page.js(f"({search})({query!r})"))
        print(f"3072 latents in five stages: {n_bytes / 1e6:.1f} MB ({bytes_of(site) / 1e6:.1f} MB with the other pages and "
              f"Plotly), opens in {min(opened):.0f} to {max(opened):.0f} ms with a latent, filters in "
              f"{statistics.median(filtered):.0f} ms (worst {max(filtered):.0f})")
        self.assertLessEqual(n_bytes, MOST_BYTES)
        self.assertLessEqual(min(opened), OPEN_MS)
        self.assertLessEqual(statistics.median(filtered), FILTER_MS)


if __name__ == "__main__":
    Sites.odd, Sites.large, Sites.bare = map(Path, sys.argv[1:4])
    unittest.main(argv=sys.argv[:1], verbosity=1)
