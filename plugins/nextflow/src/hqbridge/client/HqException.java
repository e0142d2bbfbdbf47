package hqbridge.client;

/** A refused request or a server that cannot be used. Every failure of this package is one. */
public class HqException extends Exception {
    private static final long serialVersionUID = 1L;
    private final String code;

    /**
     * @param code one of docs/errors.md, as {@code HQ_E_JOB_NOT_FOUND}
     * @param message one line that names the input
     * @param hint what to do next; empty when there is nothing to add
     */
    public HqException(String code, String message, String hint) {
        super(hint.isEmpty() ? message : message + ". " + hint);
        this.code = code;
    }

    /** @return the code of docs/errors.md */
    public String code() {
        return code;
    }

    /** No server answers now; the same request may succeed later. */
    public static final class Unavailable extends HqException {
        private static final long serialVersionUID = 1L;
        private final boolean sent;

        /** @param sent whether the lost request may have been carried out */
        public Unavailable(String code, String message, String hint, boolean sent) {
            super(code, message, hint);
            this.sent = sent;
        }

        /** @return whether the lost request may have been carried out */
        public boolean sent() {
            return sent;
        }
    }
}
