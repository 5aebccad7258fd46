export const CHROMIUM: string;
export const LAUNCH: { readonly executablePath: string; readonly headless: boolean; readonly args: string[] };
