"""The plot of docs/benchmarks.md."""

from statistics import median

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

from paths import PATHS  # noqa: E402

COLOURS = {"plain": "#9aa0a6", "ceiling": "#5f6368", "rival": "#d08a3c", "ours": "#2b6cb0"}
LEGEND = {"ours": "this module", "rival": "others, that let the app decide or check a signature", "ceiling": "nginx, static + open_file_cache", "plain": "static, for everybody"}


def timed(result, file):
    (group,) = [g for g in result["groups"] if (g["size"], g["protocol"], g["way"]) == ("1k", "http", "full")]
    bars = []
    for id, rounds in group["rounds"].items():
        cpu = [one["cpu_us"] for one in rounds]
        bars.append((median(cpu), min(cpu), max(cpu), PATHS[id]))
    bars.sort(key=lambda bar: -bar[0])

    plt.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10})
    figure, axes = plt.subplots(figsize=(9, 0.28 * len(bars) + 1.2), layout="constrained")
    middle = [bar[0] for bar in bars]
    axes.barh(
        [bar[3].name.replace("*", "") for bar in bars], middle,
        xerr=[[bar[0] - bar[1] for bar in bars], [bar[2] - bar[0] for bar in bars]],
        color=[COLOURS[bar[3].kind] for bar in bars], ecolor="#333333", error_kw={"elinewidth": 1, "capsize": 2},
    )  # fmt: skip
    # the slowest would leave no room for the others
    limit = 1.15 * max(high for value, _, high, _ in bars if value < 4 * median(middle))
    axes.set_xlim(0, limit)
    for y, (value, _, high, _) in enumerate(bars):
        beyond = high > limit
        axes.text(limit * 0.99 if beyond else high + limit * 0.01, y, f"{value:.1f}" + (" →" if beyond else ""), va="center", ha="right" if beyond else "left", color="white" if beyond else "black", fontsize=9)
    axes.set_xlabel("CPU time of the server for a file of 1 KB over HTTP/1.1, µs (median; min to max)")
    axes.margins(y=0.01)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(handles=[Patch(color=COLOURS[kind], label=label) for kind, label in LEGEND.items()], loc="upper right", frameon=False)
    figure.savefig(file, metadata={"Date": None})
    # without spaces at the ends of lines
    file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")
