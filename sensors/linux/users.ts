import { readFileSync, statSync } from 'node:fs';
import { type Accounts, createAccounts } from '../accounts.ts';

/** How often it is looked whether the files have changed, in milliseconds. */
const CHECK_MS = 1_000;

/** Names of users and groups as /etc/passwd and /etc/group have them. @param root folder that both are looked for below */
export const hostAccounts = (root = ''): Accounts =>
  createAccounts(
    {
      version: (path) => {
        const found = statSync(`${root}${path}`, { bigint: true, throwIfNoEntry: false });
        return found && `${found.ino} ${found.size} ${found.mtimeNs}`;
      },
      read: (path) => readFileSync(`${root}${path}`, 'utf8'),
    },
    CHECK_MS,
  );
