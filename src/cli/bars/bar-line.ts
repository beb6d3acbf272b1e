/**
 * One line of the display, laid out in columns for a width:
 *
 *     1f7ce2fa46ab downloading    [=====>      ]  12.3/31.4 MB   4.21 MB/s     5s
 *
 * Where room is short the time left goes first, then the rate, then the bar.
 */
import { formatDuration, formatPair, formatRate } from "./units.js";

/** What a line says; the parts that are absent leave their column empty. */
export type LineContent =
  | {
      label: string;
      state: string;
      /** Bytes so far and in all: the bar. */
      current?: number;
      total?: number;
      /** Instead of a bar: how big it is. */
      size?: string;
      /** Bytes per second. */
      rate?: number;
    }
  /** A line without columns. */
  | { text: string };

const LABEL = 12;
const STATE = 14;
const BYTES = 12;
const RATE = 10;
const ETA = 6;
const LEAST_BAR = 12;
const MOST_BAR = 50;
const FIXED = LABEL + 1 + STATE;

interface Columns {
  bar: number;
  rate: boolean;
  eta: boolean;
}

/**
 * @param width characters that the line may have; it has never more
 * @param drawBar draws the bar's inside in so many cells
 */
export function barLine(
  content: LineContent,
  width: number,
  drawBar: (cells: number) => string,
): string {
  if ("text" in content) return content.text.slice(0, width);
  const columns = columnsFor(width);
  const parts = [content.label.padEnd(LABEL), content.state.padEnd(STATE)];
  const { current, total } = content;
  const isBar = current !== undefined && total !== undefined;
  if (columns.bar > 0) {
    const bar = isBar ? `[${drawBar(columns.bar - 2)}]` : "";
    parts.push(bar.padEnd(columns.bar));
  }
  const bytes = isBar ? formatPair(current, total) : (content.size ?? "");
  parts.push(bytes.padStart(BYTES));
  if (columns.rate) parts.push(rateText(content.rate).padStart(RATE));
  if (columns.eta) parts.push(etaText(content).padStart(ETA));
  return parts.join(" ").trimEnd().slice(0, width);
}

function columnsFor(width: number): Columns {
  const forBar = width - FIXED - 1 - (1 + BYTES);
  const withRate = forBar - (1 + RATE);
  const withEta = withRate - (1 + ETA);
  if (withEta >= LEAST_BAR) {
    return { bar: Math.min(withEta, MOST_BAR), rate: true, eta: true };
  }
  if (withRate >= LEAST_BAR) return { bar: withRate, rate: true, eta: false };
  return { bar: forBar >= LEAST_BAR ? forBar : 0, rate: false, eta: false };
}

function rateText(rate: number | undefined): string {
  return rate === undefined ? "" : formatRate(rate);
}

function etaText({
  current,
  total,
  rate,
}: Extract<LineContent, { label: string }>): string {
  if (current === undefined || total === undefined || !rate) return "";
  return formatDuration((total - current) / rate);
}
