import { type Collected, SERIES } from '../collect.ts';
import { type Html, html } from '../html.ts';
import { duration, number, plural, shortTime } from '../words.ts';
import { table } from './table.ts';

const WIDTH = 1_000;
const HEIGHT = 200;

const isoOf = (milliseconds: number): string => new Date(milliseconds).toISOString();
/** As `<input type=datetime-local>` has it. */
const inputOf = (milliseconds: number): string => isoOf(milliseconds).slice(0, milliseconds % 1_000 === 0 ? 19 : 23);

/** A number at the top of a scale: 1, 2 or 5 with zeros. */
const roundUp = (value: number): number => {
  const size = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return (value <= size ? 1 : value <= 2 * size ? 2 : value <= 5 * size ? 5 : 10) * size;
};

/** When things happened: bars, and the same as a table. */
export const timelineSection = ({ timeline: { width, bars }, isReplayed }: Collected): Html => {
  if (bars.length === 0)
    return html`<section id="timeline" aria-labelledby="h-timeline"><h2 id="h-timeline">When it happened</h2><p>Nothing happened in this time.</p></section>`;
  const sums = bars.map(({ counts }) => counts.reduce((sum, each) => sum + each, 0));
  const top = roundUp(Math.max(...sums));
  const busiest = bars[sums.indexOf(Math.max(...sums))]!;
  const step = WIDTH / bars.length;
  const drawn = bars.flatMap(({ from, counts }, at) => {
    if (sums[at] === 0) return [];
    let y = HEIGHT;
    const rects = counts.map((count, series) => {
      if (count === 0) return undefined;
      const height = Math.max(1.5, (HEIGHT * count) / top);
      y -= height;
      return html`<rect class="s${series}" x="${(at * step).toFixed(2)}" y="${Math.max(0, y).toFixed(2)}" width="${(step * 0.9).toFixed(2)}" height="${height.toFixed(2)}"/>`;
    });
    const what = counts
      .flatMap((count, series) => (count === 0 ? [] : `${number(count)} ${SERIES[series]}`))
      .join(', ');
    return html`<g class="bar" data-from="${inputOf(from)}" data-until="${inputOf(from + width)}"><title>${shortTime(isoOf(from))}: ${what}</title><rect x="${(at * step).toFixed(2)}" y="0" width="${step.toFixed(2)}" height="${HEIGHT}" fill-opacity="0"/>${rects}</g>`;
  });
  const used = SERIES.map((_, series) => bars.some(({ counts }) => counts[series]! > 0));
  const legend = SERIES.flatMap((name, series) =>
    used[series] === true
      ? html`<li><svg viewBox="0 0 1 1" aria-hidden="true"><rect class="s${series}" width="1" height="1"/></svg>${name}</li>`
      : [],
  );
  const first = bars[0]!.from;
  const last = bars.at(-1)!.from + width;
  const text = `${plural(
    sums.reduce((sum, each) => sum + each, 0),
    'alert and attempt that was carried out',
    'alerts and attempts that were carried out',
  )} between ${shortTime(isoOf(first))} and ${shortTime(isoOf(last))} UTC; the highest bar is ${number(Math.max(...sums))}, from ${shortTime(isoOf(busiest.from))} on.`;
  const rows = bars.flatMap(({ from, counts }, at) =>
    sums[at] === 0
      ? []
      : [
          [
            html`<button type="button" class="range" data-from="${inputOf(from)}" data-until="${inputOf(from + width)}" title="show only this time">${shortTime(isoOf(from), width < 1_000 ? 3 : 0)}</button>`,
            ...counts.map((count) => html`${number(count)}`),
          ],
        ],
  );
  return html`<section id="timeline" aria-labelledby="h-timeline"><h2 id="h-timeline">When it happened</h2>
<p id="timeline-text">${text} Each bar is ${duration(width)}; the scale ends at ${number(top)}.${isReplayed && ' Events happened at other times than they were recorded: they come from a simulation or a recording, and times of alerts are those of the events.'}</p>
<svg class="bars" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-labelledby="timeline-text"><line class="grid" x1="0" x2="${WIDTH}" y1="${HEIGHT / 2}" y2="${HEIGHT / 2}"/>${drawn}</svg>
<div class="axis" aria-hidden="true"><span>${shortTime(isoOf(first))}</span><span>${shortTime(isoOf(last))}</span></div>
<ul class="legend" aria-label="What the bars are made of, from below">${legend}</ul>
<details><summary>The same as a table</summary>${table(
    `Alerts by time and priority, and attempts to deny or kill that were carried out; times without any are left out`,
    [{ label: 'From (UTC)' }, ...SERIES.map((label) => ({ label, isNumber: true }))],
    rows,
  )}</details></section>`;
};
