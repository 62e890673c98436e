/* What each language model did, by role: calls, what failed, what it cost. */
import type { JSX } from "preact";
import { isOver } from "../store/select.ts";
import { count, money, share, tokens } from "../ui/format.ts";
import type { State } from "../wire/decode.ts";
import type { ModelView } from "../wire/types.ts";

const ROLES: Readonly<Record<ModelView["role"], string>> = { task: "", proposal: " (proposals)", judge: " (judge)" };

/** Draws the card with the table. */
export const Models = ({ run }: { readonly run: State }): JSX.Element => (
  <section class="card models">
    <h2>Language models</h2>
    <div class="scroll">
      <table aria-label="Language models">
        <thead>
          <tr>
            <th scope="col" class="what">model</th>
            {!isOver(run) && <th scope="col" class="num">in flight</th>}
            <th scope="col" class="num">calls</th>
            <th scope="col" class="num cached">cached</th>
            <th scope="col">errors</th>
            <th scope="col" class="num tokens">tokens</th>
            <th scope="col" class="num">$</th>
          </tr>
        </thead>
        <tbody>
          {run.lm.map((model) => <Row key={`${model.role} ${model.model}`} model={model} over={isOver(run)} />)}
          {run.lm.length === 0 && (
            <tr class="none">
              <td colspan={7} class="dim">{waiting(run.models)}</td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  </section>
);

const waiting = (models: readonly string[]): string =>
  models.length > 0 ? `${models.join(", ")}: not called yet.` : "No model has been called yet.";

const Row = ({ model, over }: { readonly model: ModelView; readonly over: boolean }): JSX.Element => (
  <tr>
    <th scope="row" class="what"><span>{model.model}{ROLES[model.role]}</span></th>
    {!over && <td class="num">{count(model.in_flight)}</td>}
    <td class="num">{count(model.calls)}</td>
    <td class="num cached">{share(model.cached, model.calls)}</td>
    <td>{troubles(model)}</td>
    <td class="num tokens">{tokens(model.prompt_tokens + model.completion_tokens)}</td>
    <td class="num">
      {model.unpriced > 0 && model.cost === 0 ? <span class="warn">unknown</span> : money(model.cost)}
    </td>
  </tr>
);

const troubles = (model: ModelView): JSX.Element => {
  const parts = [
    ...(model.failed > 0 ? [`${count(model.failed)} failed`] : []),
    ...(model.retried > 0 ? [`${count(model.retried)} retried`] : []),
  ];
  if (parts.length === 0) return <span class="dim">none</span>;
  return <span class={model.failed > 0 ? "bad" : "warn"}>{parts.join(", ")}</span>;
};
