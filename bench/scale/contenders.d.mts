export function writeConfig(
  setting: { readonly server: { readonly port: number }; readonly connections: number; readonly scratch: string },
  prompts: number,
): string;
