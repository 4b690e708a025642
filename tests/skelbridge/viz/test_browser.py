"""The viewer page in a real browser: it draws, it plays, it shows texts as they are."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from matplotlib.image import imread

from skelbridge.viz import Layer, write_html
from skelbridge.viz.scene import PALETTE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium to open the page in")

#: WebGL without a graphics card is drawn by SwiftShader; nothing is asked of the network.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=800,743",
    "--virtual-time-budget=20000",
]

#: Before the page's own scripts: notes errors, blocked requests and plotly's complaints.
LISTENER = """<script>
window.problems = [];
addEventListener("error", e => problems.push("error: " + e.message));
addEventListener("unhandledrejection", e => problems.push("rejected: " + e.reason));
addEventListener("securitypolicyviolation", e => problems.push("asked for " + e.blockedURI));
for (const kind of ["warn", "error"])
  console[kind] = (...words) => problems.push(kind + ": " + words.join(" "));
</script>"""

#: After them: waits for the picture, runs a test's probe and writes down what it returns.
PROBE = """<script>
(async () => {
  const wait = ms => new Promise(done => setTimeout(done, ms));
  while (!document.querySelector("#plot .legendtext")) await wait(20);
  await wait(200);
  const slide = async frame => {
    slider.value = frame;
    slider.dispatchEvent(new Event("input"));
    await wait(200);
  };
  const points = i => axes.map(axis => [...plot.data[i][axis]]);
  let report;
  try { report = await (async () => { %s })(); } catch (e) { problems.push("probe: " + e); }
  const written = document.createElement("pre");
  written.id = "report";
  written.hidden = true;
  written.textContent = JSON.stringify({ problems, report });
  document.body.append(written);
})();
</script>"""


@pytest.fixture
def browse(tmp_path):
    """Returns a function that opens layers, runs a probe and returns its value and the picture."""

    def open_page(layers, probe="", title="A title", **options):
        path, picture = tmp_path / "page.html", tmp_path / "picture.png"
        write_html(path, layers, title=title, **options)
        page = path.read_text(encoding="utf-8")
        page = page.replace("<head>", "<head>" + LISTENER, 1)
        before, end = page.rsplit("</body>", 1)
        path.write_text(before + PROBE % probe + "</body>" + end, encoding="utf-8")
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
                   f"--screenshot={picture}", path.as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
        found = re.search(r'<pre id="report"[^>]*>(.*?)</pre>', done.stdout.decode(), re.S)
        assert found, "the picture was not drawn in time"
        written = json.loads(html.unescape(found.group(1)))
        assert written["problems"] == []
        return written.get("report"), np.round(imread(picture)[..., :3] * 255)

    return open_page


def places(pixels, rank):
    """Returns rows and columns of the pixels of a layer's colour, below the legend."""
    color = [int(PALETTE[rank][at : at + 2], 16) for at in (1, 3, 5)]
    rows, columns = np.nonzero((np.abs(pixels[130:] - color) <= 12).all(axis=-1))
    assert len(rows) > 20, f"nothing drawn in {PALETTE[rank]}"
    return rows + 130, columns


@pytest.mark.slow
def test_people_stand_upright_unmirrored_and_move_with_the_slider(browse, person):
    parts = [
        ("neck", "left_shoulder", "right_shoulder", "pelvis"),
        ("head", "neck"),
        ("left_shoulder", "left_wrist"),
        ("right_shoulder", "right_wrist"),
    ]
    layers = [person(" ".join(p), joints=p, up="-y", n_frames=40, step=0.05) for p in parts]
    _, first = browse(layers, up="-y")
    frame, last = browse(layers, "await slide(39); return wanted;", up="-y")
    assert frame == 39
    middle = []
    for pixels in (first, last):
        (torso, _), (head, _), (_, left), (_, right) = (
            [np.median(axis) for axis in places(pixels, rank)] for rank in range(4)
        )
        assert head < torso
        # Who is seen from the front has the left hand on the viewer's right.
        assert right + 20 < left
        middle.append((left + right) / 2)
    assert abs(middle[1] - middle[0]) > 100, "the walk along x must be seen"


def test_slider_legend_and_play_button(browse, person):
    walk = person("walk", n_frames=40, step=0.05)
    names = ("head", "neck", "pelvis")
    crowd = person("crowd", n_frames=40, joints=names).positions
    crowd = np.concatenate([crowd, crowd + 1.0], axis=1)
    crowd[0, 0, 0] = np.nan  # the first one's head, at first
    crowd[25, 1] = np.nan  # the second one, later
    layers = [
        walk,
        Layer("crowd", crowd, names, ((0, 1), (1, 2))),
        Layer("ghost", np.full((40, 3, 3), np.nan), names, ((0, 1),)),
    ]
    probe = """
      const look = () => ({ walk: points(1), bones: points(0), names: plot.data[1].text,
        crowd: plot.data[3].text, crowdBones: points(2)[0].length / 3,
        ghost: points(5)[0].length, time: time.textContent });
      const report = { first: look() };
      await slide(25);
      report.moved = look();
      const entry = document.querySelector(".legendtoggle");
      for (const name of ["mousedown", "mouseup"])
        entry.dispatchEvent(new MouseEvent(name, { bubbles: true }));
      await wait(800);
      await slide(20);
      report.visible = plot.data.map(trace => trace.visible ?? true);
      // The browser's virtual time gives no animation frames.
      window.requestAnimationFrame = f => setTimeout(() => f(performance.now()), 16);
      window.cancelAnimationFrame = clearTimeout;
      play.click();
      for (let i = 0; i < 100 && wanted < 23; i++) await wait(20);
      report.playing = [play.textContent, wanted];
      play.click();
      const paused = wanted;
      await wait(300);
      report.paused = [play.textContent, wanted - paused];
      await slide(38);
      play.click();
      for (let i = 0; i < 100 && wanted < 39; i++) await wait(20);
      report.ended = [play.textContent, wanted];
      play.click();
      for (let i = 0; i < 100 && wanted !== 2; i++) await wait(20);
      report.again = [play.textContent, wanted];
      play.click();
      return report;
    """
    report, pixels = browse(layers, probe, up="y", fps=20)
    first, moved = report["first"], report["moved"]
    displayed = walk.positions[:, 0][..., [2, 0, 1]]  # plotly's z is the data's y
    np.testing.assert_allclose(np.transpose(first["walk"]), displayed[0], atol=2e-4)
    np.testing.assert_allclose(np.transpose(moved["walk"]), displayed[25], atol=2e-4)
    assert first["bones"][2][:3] == [1.7, 1.45, None], "head, neck, then a break"
    assert len(first["bones"][0]) == 3 * len(walk.edges)
    assert first["names"] == list(walk.joint_names)
    both = [f"{name} (person {k})" for k in (1, 2) for name in names]
    assert (first["crowd"], first["crowdBones"]) == (both[1:], 3)
    assert (moved["crowd"], moved["crowdBones"]) == (both[:3], 2)
    assert first["ghost"] == moved["ghost"] == 0
    assert moved["time"] == "frame 25 / 39 · 1.25 s"
    assert report["visible"] == ["legendonly", "legendonly", True, True, True, True]
    label, frame = report["playing"]
    assert label == "Pause"
    assert 23 <= frame < 39
    assert report["paused"] == ["Play", 0]
    assert report["ended"] == ["Play", 39]
    assert report["again"] == ["Pause", 2]
    places(pixels, 1)
    with pytest.raises(AssertionError, match="nothing drawn in #0072B2"):
        places(pixels, 0)


def test_images_are_flat_with_y_downwards_and_equal_aspect(browse):
    def bar(name, start, end):
        return Layer(name, np.array([start, end], float), ("a", "b"), ((0, 1),))

    layers = [
        bar("top", [0, 0], [300, 0]),
        bar("bottom", [0, 200], [300, 200]),
        bar("side", [0, 0], [0, 200]),
    ]
    probe = "return { canvases: plot.querySelectorAll('canvas').length, type: plot.data[0].type };"
    report, pixels = browse(layers, probe, units="px")
    assert report == {"canvases": 0, "type": "scatter"}
    top, bottom, side = (places(pixels, rank) for rank in range(3))
    assert top[0].max() < bottom[0].min()
    wide, high = np.ptp(bottom[1]), np.ptp(side[0])
    assert wide > 200
    assert wide / high == pytest.approx(1.5, abs=0.05)


def test_texts_are_shown_as_they_are(browse):
    nasty = "</script><script>window.hit=1</script><b onclick=a>&lt;%{x}&amp; $x^2$ \"q\" 'p'"
    layer = Layer(nasty, np.array([[1.0, 2.0], [3.0, 4.0]]), (nasty, "b"), ((0, 1),))
    probe = """
      Plotly.Fx.hover(plot, [{ curveNumber: 1, pointNumber: 0 }]);
      await wait(300);
      const text = selector => document.querySelector(selector).textContent;
      return { hit: window.hit ?? null, bold: document.querySelectorAll("b").length,
        heading: text("h1"), legend: text(".legendtext"), hover: text(".hovertext"),
        axis: text(".xtitle"), title: document.title };
    """
    report, _ = browse([layer], probe, title=nasty, units="<i>&nbsp;")
    assert (report["hit"], report["bold"]) == (None, 0)
    assert report["heading"] == report["title"] == nasty
    shown = nasty[:79] + "…" if len(nasty) > 80 else nasty
    assert report["legend"] == shown
    assert report["hover"].count(shown) == 2, "the layer and the joint"
    assert report["hover"].endswith("x 1.000 y 2.000")
    assert report["axis"] == "x (<i>&nbsp;)"
