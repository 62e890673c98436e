/* Why examples failed: how often, what kind of error, and what the last of the kind said. Where none failed, nothing. */
import type { JSX } from "preact";
import { failuresOf } from "../store/failures.ts";
import type { State } from "../wire/decode.ts";

/** Draws the card. */
export const Failures = ({ run }: { readonly run: State }): JSX.Element | null => {
  const rows = failuresOf(run);
  if (rows.length === 0) return null;
  return (
    <section class="card failures">
      <h2>Why examples failed</h2>
      <table aria-label="Why examples failed">
        <thead>
          <tr>
            <th scope="col" class="num">times</th>
            <th scope="col">error</th>
            <th scope="col" class="said">what the last one said</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ count, kind, text }, index) => (
            <tr key={index}>
              <td class="num">{count}</td>
              <th scope="row" class="bad">{kind}</th>
              <td class="said">{text}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
};
