// Draws what stands in the page's data blocks. Without it the tables say the same; they are unfolded then.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const drawn = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // series by their meaning: what is late is red everywhere
  const palette = (kind) => {
    const [blue, red, green, yellow, grey, teal] = ["--accent", "--red", "--green", "--yellow-lamp", "--still", "--teal"].map(colour);
    return { flow: [blue, green, red], "stacked-bars": [red, blue], "stacked-columns": [yellow, teal, blue, green, grey], bars: [blue, grey] }[kind];
  };

  const option = (box, data) => {
    const kind = box.dataset.kind;
    const names = data.series || box.dataset.series.split("|");
    const sideways = kind === "stacked-bars";
    const narrow = box.clientWidth < 520;
    const ink = colour("--ink");
    const quiet = colour("--quiet");
    const line = colour("--line");
    const labels = {
      type: "category",
      data: data.labels,
      inverse: sideways,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: line } },
      axisLabel: { color: quiet, ...(sideways ? { width: narrow ? 96 : 150, overflow: "truncate" } : {}) },
    };
    const amounts = {
      type: "value",
      minInterval: 1,
      axisLabel: { color: quiet },
      splitLine: { lineStyle: { color: line } },
    };
    return {
      color: palette(kind),
      animation: !still.matches,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      // no colour alone: each series has a pattern of its own
      aria: { enabled: true, label: { enabled: false }, decal: { show: kind !== "flow" } },
      legend: { top: 0, left: 0, itemWidth: 18, itemHeight: 11, textStyle: { color: ink } },
      // drawn into the picture: markup with styles of its own is forbidden here
      tooltip: { trigger: "axis", renderMode: "richText", confine: true, axisPointer: { type: kind === "flow" ? "line" : "shadow" }, backgroundColor: colour("--raised"), borderColor: line, textStyle: { color: ink } },
      grid: { left: 4, right: 16, top: narrow && names.length > 3 ? 64 : 40, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      xAxis: sideways ? amounts : labels,
      yAxis: sideways ? labels : amounts,
      series: names.map((name, at) => ({
        name,
        type: kind === "flow" ? "line" : "bar",
        stack: kind.startsWith("stacked") ? "all" : undefined,
        barMaxWidth: 28,
        symbol: ["circle", "rect", "triangle"][at],
        symbolSize: 7,
        lineStyle: { width: 2.5, type: ["solid", "dashed", "solid"][at] },
        label: { show: kind === "bars", position: "top", color: ink },
        data: data.values[at],
      })),
    };
  };

  const draw = (box) => {
    const data = JSON.parse(document.getElementById(`${box.id}-data`).textContent);
    box.hidden = false;
    const chart = drawn.get(box) || echarts.init(box, null, { renderer: "canvas" });
    drawn.set(box, chart);
    chart.setOption(option(box, data), true);
    chart.off("click");
    if (data.links) chart.on("click", (hit) => (location.href = data.links[hit.seriesIndex][hit.dataIndex]));
  };
  const all = () => document.querySelectorAll(".chart").forEach(draw);

  all();
  dark.addEventListener("change", all);
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => drawn.forEach((chart, box) => (chart.resize(), draw(box))), 150);
  });
})();
