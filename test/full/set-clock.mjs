/** Read by `node --import` before the program: after AFTER_MS the clock is set by DAYS days. */
const { AFTER_MS, DAYS } = process.env;
const RealDate = Date;
const shift = () => (performance.now() > Number(AFTER_MS) ? Number(DAYS) * 86_400_000 : 0);
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [RealDate.now() + shift()] : args));
  }
  static now() {
    return RealDate.now() + shift();
  }
};
