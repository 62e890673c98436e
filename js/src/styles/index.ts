/* All styles as one text: it travels inside the script, so the widget and the report load nothing. */
import base from "./base.css?raw";
import candidates from "./candidates.css?raw";
import chart from "./chart.css?raw";
import events from "./events.css?raw";
import heat from "./heat.css?raw";
import header from "./header.css?raw";
import phases from "./phases.css?raw";
import selected from "./selected.css?raw";
import tiles from "./tiles.css?raw";
import tokens from "./tokens.css?raw";

/** The stylesheet of the shadow root. */
export const CSS = [tokens, base, header, tiles, chart, candidates, selected, phases, heat, events].join("\n");
