// The module that console.rs writes: the names of all limits, in the order of outcome/limit.rs.
export const limits: string[];
