/* Loaded with --import: plants the fault of SHRIKE_FAULT in a built module while Node reads it. */
import { register } from 'node:module';

const hooks = `
  const { file, find, replace } = ${process.env.SHRIKE_FAULT};
  export async function load(url, context, next) {
    const loaded = await next(url, context);
    if (!url.endsWith('/' + file)) return loaded;
    const source = loaded.source.toString();
    if (source.split(find).length !== 2) throw new Error(file + ' has not one place for the fault: ' + find);
    return { ...loaded, source: source.replace(find, () => replace) };
  }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
