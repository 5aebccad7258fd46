import type { Reload, ReloadOutcome } from '../agent/index.ts';
import type { Policy } from '../policies/index.ts';
import { messageOf } from './exit.ts';
import { count } from './paint.ts';
import { onChangeOf } from './rerun.ts';
import { inSentences } from './session.ts';

export interface ReloaderOptions {
  /** Files and folders of policies. */
  readonly paths: readonly string[];
  /** Reads them. @throws CliError with all diagnostics where there is an error */
  readonly policies: () => readonly Policy[];
  /** Reload whenever one of them changes; else only on SIGHUP. */
  readonly watch: boolean;
}

/** Has an agent run its policies as they are on disk, whenever they change or SIGHUP comes. */
export interface Reloader {
  begin(reload: Reload): void;
  close(): void;
}

/** Names that one line says; the others are counted. */
const SHOWN = 5;

const listed = (verb: string, names: readonly string[]): readonly string[] => {
  if (names.length === 0) return [];
  const shown = names.slice(0, SHOWN).join(', ');
  return [`${names.length} ${verb} (${shown}${names.length > SHOWN ? ', ...' : ''})`];
};

/** What a reload came to, for people. */
export const reloadText = (outcome: ReloadOutcome): string => {
  if (!outcome.done)
    return `the policies were not reloaded, the old ones run on: ${messageOf(inSentences(outcome.error))}`;
  const { added, removed, changed, ms } = outcome;
  const parts = [...listed('added', added), ...listed('removed', removed), ...listed('changed', changed)];
  return `reloaded the policies in ${count(ms, 'millisecond')}: ${parts.length === 0 ? 'all rules are as they were' : `rules ${parts.join(', ')}`}`;
};

/** Says on stderr what each reload came to. */
export const createReloader = ({ paths, policies, watch }: ReloaderOptions): Reloader => {
  const say = (text: string): void => void process.stderr.write(`shrike: ${text}\n`);
  let changes: { close(): void } | undefined;
  let act: (() => void) | undefined;
  return {
    begin: (reload) => {
      act = () => {
        try {
          reload(policies()).then((outcome) => say(reloadText(outcome)));
        } catch (error) {
          say(`the policies were not reloaded, the old ones run on: ${messageOf(error)}`);
        }
      };
      process.on('SIGHUP', act);
      if (watch) changes = onChangeOf(paths, act);
    },
    close: () => {
      if (act !== undefined) process.off('SIGHUP', act);
      changes?.close();
    },
  };
};
