/** A path made absolute by its text alone. */
export const absolute = (base: string, path: string): string => {
  const parts: string[] = [];
  for (const part of (path.startsWith('/') ? path : `${base}/${path}`).split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
};

/** Where a path leads when these links are followed. */
export const resolvePath = (path: string, links: ReadonlyMap<string, string>): string => {
  const found: string[] = [];
  const left = path.split('/');
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '..') found.pop();
    if (part === '' || part === '.' || part === '..') continue;
    const target = links.get(`/${[...found, part].join('/')}`);
    if (target === undefined) found.push(part);
    else {
      if (target.startsWith('/')) found.length = 0;
      left.unshift(...target.split('/'));
    }
  }
  return `/${found.join('/')}`;
};

/** Bytes of a text, as the kernel counts them. */
export const bytesOf = (text: string): number => new TextEncoder().encode(text).length;
