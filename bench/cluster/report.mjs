export const writeClusterNote = () => {};
