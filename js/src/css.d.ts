/* A stylesheet imported as its text, by esbuild (build.mjs) and by the tests' Vite alike. */
declare module "*.css?raw" {
  const text: string;
  export default text;
}
