/* What each language model did, by role, and how it is: calls in flight of those it takes, how long answers took,
 * what went wrong, what it cost, and whether it is asked at all. */
import type { JSX } from "preact";
import { healthOf, listed, troubles } from "../store/health.ts";
import { quantile } from "../store/latency.ts";
import { isOver } from "../store/select.ts";
import { Ask, whole } from "../ui/ask.tsx";
import { count, latency, moneyOf, share, tokens } from "../ui/format.ts";
import { useNow } from "../ui/hooks.ts";
import type { State } from "../wire/decode.ts";
import type { ModelView } from "../wire/types.ts";
import { short } from "./describe.ts";
import type { Controls } from "./header.tsx";

/** What a role adds to a model's name. */
export const ROLES: Readonly<Record<ModelView["role"], string>> = {
  task: "", proposal: " (proposals)", judge: " (judge)", embedding: " (embeddings)", retrieval: " (retrieval)",
};

interface Props {
  readonly run: State;
  readonly controls: Controls | null;
  readonly live: boolean;
}

/** Draws the card with the table. */
export const Models = ({ run, controls, live }: Props): JSX.Element => {
  const restless = run.endpoints.some((it) => it.state !== "closed");
  const now = useNow(live && restless);
  const models = listed(run);
  const price = moneyOf(models.map((model) => model.cost));
  return (
    <section class="card models">
      <div class="head">
        <h2>Language models</h2>
        {controls && <AtOnce run={run} controls={controls} />}
      </div>
      <div class="scroll">
        <table aria-label="Language models">
          <thead>
            <tr>
              <th scope="col" class="what">model</th>
              {!isOver(run) && <th scope="col" class="num">in flight</th>}
              <th scope="col" class="num calls">calls</th>
              <th scope="col" class="num cached">cached</th>
              <th scope="col" class="num slow" title="half of the answers came within the first, 95% within the second">p50 / p95</th>
              <th scope="col" class="errors">errors</th>
              <th scope="col" class="num tokens">tokens</th>
              <th scope="col" class="num">cost</th>
              {run.endpoints.length > 0 && <th scope="col" class="breaker">breaker</th>}
            </tr>
          </thead>
          <tbody>
            {models.map((model) => (
              <Row key={`${model.role} ${model.model}`} run={run} model={model} price={price} now={live ? now : run.updated} />
            ))}
            {models.length === 0 && (
              <tr class="none">
                <td colspan={9} class="dim">{waiting(run)}</td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </section>
  );
};

const AtOnce = ({ run, controls }: { readonly run: State; readonly controls: Controls }): JSX.Element => (
  <Ask
    name="Examples at once"
    label={run.concurrency === null ? "examples at once: auto" : `examples at once: ${count(run.concurrency)}`}
    before="examples at once:"
    usual={run.concurrency === null ? "" : String(run.concurrency)}
    pending={controls.pending.includes("concurrency")}
    read={whole}
    onGive={(n) => controls.press("concurrency", { n })}
  />
);

const waiting = (run: State): string => {
  if (isOver(run)) return "No model was called.";
  return run.models.length > 0 ? `${run.models.map(short).join(", ")}: not called yet.` : "No model has been called yet.";
};

interface RowProps {
  readonly run: State;
  readonly model: ModelView;
  readonly price: (cost: number) => string;
  readonly now: number;
}

const Row = ({ run, model, price, now }: RowProps): JSX.Element => {
  const { inFlight, waiting, breaker, tone } = healthOf(run, model, now);
  const errors = troubles(model);
  const queue = waiting > 0 ? `${count(waiting)} more wait until one of these is answered` : undefined;
  return (
    <tr>
      <th scope="row" class="what">
        <span title={short(model.model) + ROLES[model.role]}>{short(model.model)}{ROLES[model.role]}</span>
        {breaker && <small class={`breaker ${tone}`}>{breaker}</small>}
      </th>
      {!isOver(run) && <td class={waiting > 0 ? "num warn" : "num"} title={queue}>{inFlight}</td>}
      <td class="num calls">{count(model.calls)}</td>
      <td class="num cached">{share(model.cached, model.calls)}</td>
      <td class="num slow">{latency(quantile(model.latency, 0.5), quantile(model.latency, 0.95))}</td>
      <td class={`errors ${errors === "" ? "dim" : model.failed > 0 ? "bad" : "warn"}`}>{errors || "none"}</td>
      <td class="num tokens">{tokens(model.prompt_tokens + model.completion_tokens)}</td>
      <td class="num">
        {model.unpriced > 0 && model.cost === 0 ? <span class="warn">unknown</span> : price(model.cost)}
      </td>
      {run.endpoints.length > 0 && <td class="breaker"><span class={`breaker ${tone}`}>{breaker}</span></td>}
    </tr>
  );
};
