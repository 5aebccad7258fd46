import { lookup } from 'node:dns/promises';
import type { Resolve } from '../domain-names.ts';

/** What getaddrinfo(3) says of a name that there is not; anything else may be otherwise soon. */
const NONE: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA']);

/** Looks names up as this host's programs do: its hosts file and its name servers, within their time limits. */
export const hostResolver: Resolve = async (name) => {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch (error) {
    if (NONE.has((error as NodeJS.ErrnoException).code)) return [];
    throw error;
  }
};
