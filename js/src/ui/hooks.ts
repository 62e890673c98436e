/* What a view cannot know by value: the time, its own width, where the focus was, and that the store moved. Each
 * lets go of what it holds when its view goes. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import type { Shown, Store } from "../store/store.ts";

/** What the store shows, drawn again whenever it changes. */
export const useShown = (store: Store): Shown => {
  const [shown, setShown] = useState(store.get);
  useEffect(() => {
    setShown(store.get());
    return store.subscribe(() => setShown(store.get()));
  }, [store]);
  return shown;
};

/** Epoch seconds, moving once a second while `ticking`. */
export const useNow = (ticking: boolean): number => {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => setNow(Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
};

/** The element's width in whole pixels, `usual` until it is measured. */
export const useWidth = (ref: RefObject<Element | null>, usual: number): number => {
  const [width, setWidth] = useState(usual);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const take = (wide: number): void => void (wide > 0 && setWidth(Math.round(wide)));
    take(element.getBoundingClientRect().width);
    const observer = new ResizeObserver((entries) => take(entries.at(-1)?.contentRect.width ?? 0));
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
};

/** The button that opens something: the keyboard's focus is back on it once that is closed again. */
export const useReturn = (open: boolean): RefObject<HTMLButtonElement | null> => {
  const [button, was] = [useRef<HTMLButtonElement>(null), useRef(false)];
  useLayoutEffect(() => {
    if (was.current && !open) button.current?.focus();
    was.current = open;
  }, [open]);
  return button;
};

/** Whether `waiting` has held for longer than `seconds`. */
export const useOverdue = (waiting: boolean, seconds: number): boolean => {
  const [overdue, setOverdue] = useState(false);
  useEffect(() => {
    setOverdue(false);
    if (!waiting) return;
    const timer = setTimeout(() => setOverdue(true), seconds * 1000);
    return () => clearTimeout(timer);
  }, [waiting, seconds]);
  return overdue;
};
