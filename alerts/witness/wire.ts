/** Headers beside what C2SP tlog-witness has in its bodies. */
export const HEADER = {
  /** Of a reply: the status that C2SP tlog-witness gives over HTTP. */
  status: 'Shrike-Status',
  /** Of a reply with 409: the newest checkpoint that the witness has cosigned. */
  known: 'Shrike-Checkpoint',
  /** Of a request: the log's public key. */
  key: 'Shrike-Key',
  /** Of a request, once for each: what proves that the log's key was changed, in base64. */
  rotation: 'Shrike-Rotation',
  /** Of a request: the root that the log has for its first `old` entries. */
  oldRoot: 'Shrike-Old-Root',
} as const;

/** What a witness says (C2SP tlog-witness), and 500 where it can't keep what it saw. */
export type Status = 200 | 400 | 403 | 404 | 409 | 422 | 500;
