import { type Html, html } from '../html.ts';

export interface Column {
  readonly label: string;
  readonly isNumber?: boolean;
}

/** A table that is a list of cards where it is narrow; its roles are said, since a browser forgets them there. The first cell of a row names it. */
export const table = (caption: string, columns: readonly Column[], rows: readonly (readonly Html[])[]): Html => {
  const head = columns.map(
    ({ label, isNumber }) =>
      html`<th scope="col" role="columnheader"${isNumber === true && html` class="num"`}>${label}</th>`,
  );
  const cell = (content: Html, at: number): Html => {
    const { label = '', isNumber } = columns[at] ?? {};
    const attributes = html`data-label="${label}"${isNumber === true && html` class="num"`}`;
    return at === 0
      ? html`<th scope="row" role="rowheader" ${attributes}><span>${content}</span></th>`
      : html`<td role="cell" ${attributes}><span>${content}</span></td>`;
  };
  const body = rows.map((cells) => html`<tr role="row">${cells.map(cell)}</tr>\n`);
  return html`<table role="table"><caption>${caption}</caption><thead role="rowgroup"><tr role="row">${head}</tr></thead>
<tbody role="rowgroup">
${body}</tbody></table>`;
};
