// How Debian's Chromium (`node scripts/setup.mjs --browser`) is started to look at one page and nothing else.
/** Where Debian puts it. */
export const CHROMIUM = '/usr/bin/chromium';

/** Options of playwright-core's launchPersistentContext. */
export const LAUNCH = {
  executablePath: CHROMIUM,
  headless: true,
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
