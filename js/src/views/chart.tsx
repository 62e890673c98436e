/* The chart of candidate scores: our own small SVG, as wide as its card. A dot can be reached by mouse and by
 * arrow keys; either shows its interval and its words, and selects it for the other views. */
import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { isOver } from "../store/select.ts";
import { useWidth } from "../ui/hooks.ts";
import type { State } from "../wire/decode.ts";
import { plot } from "./plot.ts";
import type { Dot, Frame, Measure, Plot } from "./plot.ts";

/* A wide card gets a taller chart; candidates.css grows with it. */
const heightOf = (width: number): number => (width >= 560 ? 244 : 208);
const LEFT = 38;
const MEASURES: readonly Measure[] = ["calls", "cost", "time"];
const AXIS_NAMES: Readonly<Record<Measure, string>> = { calls: "LM calls", cost: "cost", time: "time" };

interface Props {
  readonly run: State;
  readonly selected: string;
  readonly onSelect: (id: string) => void;
}

/** Draws the card with the chart. */
export const Chart = ({ run, selected, onSelect }: Props): JSX.Element => {
  const [measure, setMeasure] = useState<Measure>("calls");
  const [active, setActive] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, 524);
  const height = heightOf(width);
  const frame: Frame = { left: LEFT, right: width - 12, top: 14, bottom: height - 28 };
  const drawn = useMemo(() => plot(run, measure, frame), [run, measure, width]);
  const shown = drawn.dots.find((dot) => dot.id === active) ?? drawn.dots.find((dot) => dot.id === selected);
  return (
    <section class="card chart">
      <div class="head">
        <h2>Candidate scores</h2>
        <Legend />
        <Switch measure={measure} onMeasure={setMeasure} />
      </div>
      <div class="plot" ref={box} style={{ height: `${height}px` }}>
        <svg role="img" aria-label="Candidate scores" viewBox={`0 0 ${width} ${height}`} width={width} height={height}>
          <Axes drawn={drawn} frame={frame} name={AXIS_NAMES[measure]} />
          {drawn.line && <path class="best" d={drawn.line} />}
          {shown && <Whisker dot={shown} />}
          <Dots dots={drawn.dots} selected={selected} onSelect={onSelect} onActive={setActive} />
        </svg>
        {drawn.dots.length === 0 && <p class="empty"><span>{isOver(run) ? "No candidate was scored." : "The first candidate appears here once it is scored."}</span></p>}
        {active && shown && <Tip dot={shown} width={width} />}
      </div>
    </section>
  );
};

const Legend = (): JSX.Element => (
  <span class="legend" aria-hidden="true">
    <span><i class="key part" />minibatch</span>
    <span><i class="key full" />full set</span>
    <span><i class="key line" />best so far</span>
  </span>
);

const Switch = ({ measure, onMeasure }: { measure: Measure; onMeasure: (to: Measure) => void }): JSX.Element => (
  <span class="switch" role="group" aria-label="Horizontal axis">
    x:
    {MEASURES.map((each) => (
      <button key={each} type="button" class="plain" aria-pressed={each === measure} onClick={() => onMeasure(each)}>
        {each}
      </button>
    ))}
  </span>
);

const Axes = ({ drawn, frame, name }: { drawn: Plot; frame: Frame; name: string }): JSX.Element => (
  <g aria-hidden="true">
    {drawn.ys.map(({ at, text }) => (
      <g key={`y${text}`}>
        <line class="grid" x1={frame.left} x2={frame.right} y1={at} y2={at} />
        <text class="axis end" x={frame.left - 7} y={at + 3.5}>{text}</text>
      </g>
    ))}
    {drawn.xs.filter(({ at }) => at < frame.right - 64).map(({ at, text }) => (
      <text key={`x${text}`} class="axis middle" x={at} y={frame.bottom + 18}>{text}</text>
    ))}
    <text class="axis end" x={frame.right} y={frame.bottom + 18}>{name}</text>
    {drawn.baseline && (
      <>
        <line class="base" x1={frame.left} x2={frame.right} y1={drawn.baseline.y} y2={drawn.baseline.y} />
        <text class="axis end halo" x={frame.right - 2} y={drawn.baseline.y + (drawn.baseline.above ? -5 : 12)}>
          {drawn.baseline.text}
        </text>
      </>
    )}
  </g>
);

const Whisker = ({ dot }: { dot: Dot }): JSX.Element | null => {
  if (dot.whisker === null) return null;
  const [low, high] = dot.whisker;
  return <path class="whisker" d={`M${dot.x},${low}V${high}M${dot.x - 3},${low}h6M${dot.x - 3},${high}h6`} />;
};

interface DotsProps {
  readonly dots: readonly Dot[];
  readonly selected: string;
  readonly onSelect: (id: string) => void;
  readonly onActive: (id: string) => void;
}

const STEPS: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };

const Dots = ({ dots, selected, onSelect, onActive }: DotsProps): JSX.Element => {
  const group = useRef<SVGGElement>(null);
  const reachable = dots.some((dot) => dot.id === selected) ? selected : (dots.at(-1)?.id ?? "");
  const onKey = (event: KeyboardEvent, index: number, dot: Dot): void => {
    const step = STEPS[event.key];
    if (step === undefined && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (step === undefined) return onSelect(dot.id);
    const next = group.current?.children[(index + step + dots.length) % dots.length];
    if (next instanceof SVGElement) next.focus();
  };
  return (
    <g ref={group}>
      {dots.map((dot, index) => (
        <g
          key={`${index}${dot.id}`}
          class={`dot ${dot.kind}${dot.dropped ? " dropped" : ""}${dot.id === selected ? " selected" : ""}`}
          data-candidate={dot.id}
          tabindex={dot.id === reachable ? 0 : -1}
          onClick={() => onSelect(dot.id)}
          onKeyDown={(event) => onKey(event, index, dot)}
          onFocus={() => onActive(dot.id)}
          onBlur={() => onActive("")}
          onPointerEnter={() => onActive(dot.id)}
          onPointerLeave={() => onActive("")}
        >
          <title>{dot.text}</title>
          <circle class="hit" cx={dot.x} cy={dot.y} r={9} />
          <circle class="mark" cx={dot.x} cy={dot.y} r={dot.kind === "full" ? 4 : 3} />
        </g>
      ))}
    </g>
  );
};

/** The words of the dot that has the pointer or the focus, kept inside the card. */
const Tip = ({ dot, width }: { dot: Dot; width: number }): JSX.Element => (
  <div
    class={`tip ${dot.x > width / 2 ? "left" : "right"}`}
    style={{ left: `${dot.x}px`, top: `${dot.y}px` }}
    aria-hidden="true"
  >
    {dot.text}
  </div>
);
