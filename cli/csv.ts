import type { Cell } from '../alerts/index.ts';
import { cellText } from './table.ts';

/** A line of comma-separated values (RFC 4180), without its end; null is an empty field. */
export const csvLine = (cells: readonly Cell[]): string =>
  cells
    .map((cell) => {
      const text = cellText(cell);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
