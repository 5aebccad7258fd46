/** Fields of outputs that name a file, the nearest to what the kernel acted on first. */
export const FILE_FIELDS = [
  'fd.name',
  'fs.path.name',
  'fs.path.target',
  'fs.path.source',
  'evt.arg.path',
  'evt.arg.pathname',
] as const;
